"""Annotations that are likely wrong: those for which a model clearly prefers another object.

The idea of confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty
in dataset labels"), with an image's objects as the classes of a sentence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32

from cris.data.annotations.selection import SAID_PREFIX
from cris.data.dataset import AnnotatedImage
from cris.evaluation.ask import Answer, ask
from cris.evaluation.metrics import intersection_and_union, iou
from cris.masks import Rle
from cris.segmenter import Segmenter

TOP = 0.1
"""Share of the ranking that precision is reported for."""
_SAME = 0.5
"""IoU from which another annotation is taken for the same thing once more."""
_TEMPERATURE = 2.0
"""Divisor of log-odds: networks are surer of themselves than they should be."""
_CERTAIN = 1e-4
"""Distance that probabilities keep from 0 and 1."""
Preferred = Literal["object", "elsewhere", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One annotation, and the reading of its sentence by a model that never saw its image."""

    sample: int
    """Place in the split, from 0."""
    picture: str
    picture_id: int
    ref_id: int
    sentence: str
    suspicion: float
    """Chance, 0 to 1, that the sentence means something else than what is annotated."""
    annotated: tuple[int, ...]
    """Objects of the image that the annotation means."""
    prefers: Preferred
    """Model's preference: another object, something that is not annotated, or nothing else."""
    preferred: int | None
    """Preferred object; None unless it is one."""
    score: float
    """Model's own score."""
    rle: Rle
    """Mask that the model finds."""

    @property
    def drop_id(self) -> str:
        """Return the sentence's name in a list for `cris data … --drop`."""
        return f"{SAID_PREFIX}{self.ref_id}:{self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Return the suspect for JSON lines."""
        return asdict(self)


def judge(segmenter: Segmenter, images: Iterable[AnnotatedImage]) -> Iterator[Suspect]:
    """Judge every annotation of these images, in their order."""
    return map(_suspect, ask(segmenter, images))


def rank(suspects: Iterable[Suspect]) -> list[Suspect]:
    """Return the suspects, most suspicious first; of equals the earlier first."""
    return sorted(suspects, key=lambda one: (-one.suspicion, one.sample))


def precision_at_top(ranked: Sequence[Suspect], is_wrong: Sequence[bool], share: float = TOP) -> float:
    """Return the share of wrong annotations among the first of a ranking; `is_wrong` is by sample."""
    count = max(1, round(share * len(ranked)))
    return sum(is_wrong[one.sample] for one in ranked[:count]) / count


def _suspect(answer: Answer) -> Suspect:
    image, reference, prediction = answer.image, answer.reference, answer.prediction
    probability, annotated = prediction.probability, answer.target.mask
    # without a target the annotation says that nothing is meant, which even odds everywhere would say too
    own = _evidence(probability, annotated) if annotated.any() else 0.0
    rivals: list[tuple[float, Preferred, int | None]] = [
        (_evidence(probability, each.mask), "object", number)
        for number, each in enumerate(image.objects)
        if number not in reference.targets and each.mask.any() and not _is_same(each.mask, annotated)
    ]
    elsewhere = _beside_objects(prediction.mask, image)
    if elsewhere is not None:
        rivals.append((_evidence(probability, elsewhere), "elsewhere", None))
    strongest = max(rivals, key=lambda one: one[0], default=(-np.inf, "nothing", None))
    is_preferred = strongest[0] > own
    return Suspect(
        sample=reference.sample,
        picture=image.name,
        picture_id=image.picture_id,
        ref_id=reference.ref_id,
        sentence=reference.sentence,
        suspicion=_chance_of_others(own, [evidence for evidence, _, _ in rivals]),
        annotated=reference.targets,
        prefers=strongest[1] if is_preferred else "nothing",
        preferred=strongest[2] if is_preferred else None,
        score=prediction.score,
        rle=prediction.to_rle(),
    )


def _evidence(
    probability: Float32[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"]
) -> float:
    """Return the mean log-odds of the mask's pixels: large and small things count alike."""
    inside = np.clip(probability[mask].astype(np.float64), _CERTAIN, 1 - _CERTAIN)
    return float((np.log(inside) - np.log1p(-inside)).mean())


def _chance_of_others(own: float, others: Sequence[float]) -> float:
    """Return 1 - softmax of the annotation's evidence among all."""
    evidence = np.array([own, *others])
    weights = np.exp((evidence - evidence.max()) / _TEMPERATURE)
    return float(weights[1:].sum() / weights.sum())


def _is_same(one: Bool[np.ndarray, "height width"], other: Bool[np.ndarray, "height width"]) -> bool:
    return iou(*map(float, intersection_and_union(one, other))) > _SAME


def _beside_objects(
    found: Bool[np.ndarray, "height width"], image: AnnotatedImage
) -> Bool[np.ndarray, "height width"] | None:
    """Return the mask found where nothing is annotated, when that is most of it."""
    beside = found & ~image.mask(range(len(image.objects)))
    return beside if 2 * np.count_nonzero(beside) > np.count_nonzero(found) else None
