"""Detection of ambiguous sentences on Scenes, and the fit of its weights."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cris.agreement import check_agreement
from cris.ambiguity import Check, Evidence, Weights, ambiguity, gather
from cris.data.scenes import SceneKnobs, Scenes
from cris.errors import InputError
from cris.evaluation.metrics import auroc
from cris.segmenter import Segmenter
from cris.studies.logistic import fit_line

_RIDGE = 1.0
"""Pull of the weights towards 0, in samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One scene, one sentence about it, and the evidence in the answer."""

    kind: str
    evidence: Evidence
    """Evidence, with the check."""

    @property
    def check(self) -> Check:
        """Return the check of the answer."""
        assert self.evidence.check is not None
        return self.evidence.check

    @property
    def is_ambiguous(self) -> bool:
        """Return whether the sentence fits several objects."""
        return self.kind == "ambiguous"

    @property
    def alone(self) -> Evidence:
        """Return the evidence that is known without asking again."""
        return replace(self.evidence, check=None)


def judge_scenes(segmenter: Segmenter, split: str, count: int) -> Iterator[Judged]:
    """Yield the first `count` scenes with their own sentences, then as many with ambiguous ones.

    Raises:
        InputError: there are not as many scenes.
    """
    if not 1 <= count <= len(Scenes(split)):
        raise InputError(f"count must be 1 to {len(Scenes(split))} scenes of {split}, got {count}")
    for share in (0.0, 1.0):
        scenes = Scenes(split, knobs=SceneKnobs(ambiguous=share))
        for index in range(count):
            sample = scenes[index]
            (found,) = check_agreement(segmenter, [segmenter.predict(sample.image, sample.sentence)])
            cells = found.grid[found.letterbox.cells]
            yield Judged(kind=sample.kind, evidence=gather(cells, found.sentence, found.check))


def fit_weights(judged: list[Judged], *, is_checked: bool) -> Weights:
    """Return the maximum-likelihood weights for ambiguity; unless checked, they leave checks out."""
    inputs = np.array([(one.evidence if is_checked else one.alone).inputs() for one in judged])
    targets = np.array([one.is_ambiguous for one in judged], dtype=np.float64)
    if not is_checked:
        inputs[:, 2] = 0.0
    rival, words, disagreement, narrowing, offset = fit_line(inputs, targets, np.zeros(5), _RIDGE).tolist()
    return Weights(rival=rival, words=words, disagreement=disagreement, narrowing=narrowing, offset=offset)


def aurocs(judged: list[Judged]) -> dict[str, float | None]:
    """Return the chance that an ambiguous sentence ranks higher: by each part of the evidence, and by all."""
    parts: dict[str, list[float]] = {
        "rival": [one.evidence.rival for one in judged],
        "few words": [-float(one.evidence.words) for one in judged],
        "disagreement": [-one.check.agreement for one in judged],
        "little narrowing": [-one.check.narrowing for one in judged],
        "ambiguity": [ambiguity(one.alone) for one in judged],
        "ambiguity, checked": [ambiguity(one.evidence) for one in judged],
    }
    truth = np.array([one.is_ambiguous for one in judged])
    return {name: auroc(np.array(values), truth) for name, values in parts.items()}


def aurocs_by_kind(judged: list[Judged]) -> dict[str, float | None]:
    """Return unambiguous kind → chance that an ambiguous sentence has a higher ambiguity, checked."""
    kinds = sorted({one.kind for one in judged if not one.is_ambiguous})
    return {kind: _against(judged, kind) for kind in kinds}


def _against(judged: list[Judged], kind: str) -> float | None:
    compared = [one for one in judged if one.is_ambiguous or one.kind == kind]
    values = [ambiguity(one.evidence) for one in compared]
    return auroc(np.array(values), np.array([one.is_ambiguous for one in compared]))
