"""Thresholds that turn probabilities into masks: chosen on validation, kept in the checkpoint."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from cris.config_file import CONFIG, read_config, write_config
from cris.data.dataset import AnnotatedImage
from cris.errors import InputError
from cris.evaluation.ask import ask
from cris.evaluation.metrics import iou
from cris.files import atomic_file
from cris.model.config import InferenceConfig
from cris.prediction import cut_of
from cris.segmenter import Segmenter

CANDIDATES = tuple((np.arange(20, 71, 5) / 100).tolist())
"""Probability thresholds that are tried."""
RELATIVE_CANDIDATES = (1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Relative thresholds that are tried for models that tell presence; the others' empty masks rest on 1."""
MIN_EMPTIED = 0.85
"""Share of the sentences about what is absent whose masks should be empty."""
PEAK_CANDIDATES = (
    *(0.0, 1e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 7e-3),
    *(np.arange(1, 100) / 100).tolist(),
)
"""Thresholds of the peak, and of presence, that are tried; masks that learned absence hardly peak without."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Quality of masks at each threshold."""

    mean_ious: dict[tuple[float, float], float]
    """Threshold and relative threshold → mean IoU."""
    gious: dict[tuple[float, float], float]
    """Peak and presence threshold → gIoU at the best thresholds: what is absent counts 1 if empty.

    Empty where no sentence means nothing, as there is then nothing to choose by.
    """

    emptied: dict[tuple[float, float], float] = field(default_factory=dict)
    """Peak and presence threshold → share of what is absent whose mask is empty."""

    @property
    def best(self) -> tuple[float, float]:
        """Return the threshold and relative threshold with the highest mean IoU; the first of equals."""
        return max(self.mean_ious, key=lambda pair: self.mean_ious[pair])

    @property
    def best_giou(self) -> float | None:
        """Return the highest gIoU; None where nothing is absent."""
        return max(self.gious.values(), default=None)

    def applied_to(self, inference: InferenceConfig) -> InferenceConfig:
        """Return the settings with the best thresholds, the lowest of equals; 0 where there is no choice.

        Peak and presence are the lowest that empty `MIN_EMPTIED` of what is absent; where none does, the pair
        with the highest gIoU.
        """
        enough = [pair for pair, share in self.emptied.items() if share >= MIN_EMPTIED]
        best = max(self.gious, key=lambda pair: self.gious[pair], default=(0.0, 0.0))
        peak, presence = min(enough, default=best)
        return replace(
            inference,
            threshold=self.best[0],
            relative_threshold=self.best[1],
            peak_threshold=peak,
            presence_threshold=presence,
        )


def choose_threshold(segmenter: Segmenter, images: Iterable[AnnotatedImage]) -> Choice:
    """Try all candidates on images, which must be of a validation split for figures to be fair.

    Raises:
        InputError: there are no images.
    """
    ious, peaks, presences, is_present = [], [], [], []
    for answer in ask(segmenter, images):
        prediction = answer.prediction
        shares = (1.0,) if prediction.present is None else RELATIVE_CANDIDATES
        pairs = [(threshold, share) for share in shares for threshold in CANDIDATES]
        cuts = [cut_of(prediction.peak, *pair) for pair in pairs]
        ious.append(iou(*pixels_above(prediction.probability, answer.target.mask, cuts)))
        peaks.append(prediction.peak)
        presences.append(1.0 if prediction.present is None else prediction.present)
        is_present.append(bool(answer.reference.targets))
    if not ious:
        raise InputError("a threshold is chosen on one sample or more, got none")
    means = np.mean(ious, axis=0)
    gious, emptied = judge_emptying(
        np.array(ious)[:, means.argmax()], np.array(peaks), np.array(presences), np.array(is_present)
    )
    return Choice(
        mean_ious=dict(zip(pairs, means.tolist(), strict=True)),
        gious=gious,
        emptied=emptied,
    )


def judge_emptying(
    ious: Float64[np.ndarray, "sentences"],
    peaks: Float64[np.ndarray, "sentences"],
    presences: Float64[np.ndarray, "sentences"],
    is_present: Bool[np.ndarray, "sentences"],
) -> tuple[dict[tuple[float, float], float], dict[tuple[float, float], float]]:
    """Return gIoU, and the share of what is absent whose mask is empty, by peak and presence threshold.

    gIoU is the mean IoU, 1 where nothing is meant and nothing found. Where presence is told, only its
    thresholds are tried, as it has the peak in it.
    """
    if is_present.all() or not is_present.any():
        return {}, {}
    tells = bool((presences < 1).any())
    gious, emptied = {}, {}
    for each in PEAK_CANDIDATES:
        pair = (0.0, each) if tells else (each, 0.0)
        is_found = (peaks > pair[0]) & (presences > pair[1])
        gious[pair] = float(np.where(is_present, ious * is_found, ~is_found).mean())
        emptied[pair] = float((~is_found[~is_present]).mean())
    return gious, emptied


def pixels_above(
    probability: Float32[np.ndarray, "height width"],
    true: Bool[np.ndarray, "height width"],
    candidates: Sequence[float],
) -> tuple[Int64[np.ndarray, "candidates"], Int64[np.ndarray, "candidates"]]:
    """Return intersections and unions of the masks at thresholds, each pixel looked at once."""
    # as masks compare: in the probability's precision
    thresholds, places = np.unique(np.array(candidates, dtype=np.float32), return_inverse=True)
    passed = np.searchsorted(thresholds, probability)  # candidates below the probability
    inside = np.bincount(passed[true], minlength=len(thresholds) + 1)
    outside = np.bincount(passed[~true], minlength=len(thresholds) + 1)
    intersections = inside[::-1].cumsum()[::-1][1:]
    unions = inside.sum() + outside[::-1].cumsum()[::-1][1:]
    return intersections[places], unions[places]


def store_thresholds(checkpoint: Path, choice: Choice) -> None:
    """Write the best thresholds into a checkpoint's config.json, whole or not at all.

    Raises:
        InputError: the folder holds no checkpoint.
    """
    store_inference(checkpoint, choice.applied_to)


def store_inference(checkpoint: Path, change: Callable[[InferenceConfig], InferenceConfig]) -> None:
    """Change a checkpoint's inference settings, atomically.

    Raises:
        InputError: the folder holds no checkpoint.
    """
    path = checkpoint / CONFIG
    config = read_config(path)
    with atomic_file(path) as partial:
        write_config(partial, replace(config, inference=change(config.inference)))
