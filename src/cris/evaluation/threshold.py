"""Thresholds that turn probabilities into masks: chosen on validation, kept in the checkpoint."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from cris.config_file import CONFIG, read_config, write_config
from cris.errors import InputError
from cris.evaluation.examples import Example
from cris.evaluation.metrics import iou
from cris.files import atomic_file
from cris.model.config import InferenceConfig
from cris.prediction import Prediction, expected_iou
from cris.segmenter import Segmenter

CANDIDATES = tuple((np.arange(20, 71, 5) / 100).tolist())
"""Probability thresholds that are tried."""
PEAK_CANDIDATES = tuple((np.arange(0, 100, 2) / 100).tolist())
"""Thresholds of the peak, and of presence, that are tried."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Quality of masks at each threshold."""

    mean_ious: dict[float, float]
    """Threshold → mean IoU."""
    gious: dict[tuple[float, float], float]
    """Peak and presence threshold → gIoU at the best threshold: what is absent counts 1 if its mask is empty.

    Empty where no sentence means nothing, as there is then nothing to choose by.
    """

    @property
    def best(self) -> float:
        """Return the threshold with the highest mean IoU; the lowest of equals."""
        return max(self.mean_ious, key=lambda threshold: self.mean_ious[threshold])

    @property
    def best_giou(self) -> float | None:
        """Return the highest gIoU; None where nothing is absent."""
        return max(self.gious.values(), default=None)

    def applied_to(self, inference: InferenceConfig) -> InferenceConfig:
        """Return the settings with the best thresholds, the lowest of equals; 0 where there is no choice."""
        peak, presence = max(self.gious, key=lambda pair: self.gious[pair], default=(0.0, 0.0))
        return replace(inference, threshold=self.best, peak_threshold=peak, presence_threshold=presence)


def choose_threshold(segmenter: Segmenter, examples: Iterable[Example]) -> Choice:
    """Try all candidates on examples, which must be of a validation split for figures to be fair.

    Raises:
        InputError: there are no examples.
    """
    ious, peaks, presences, is_present = [], [], [], []
    remaining = iter(examples)
    while batch := list(islice(remaining, segmenter.batch_size)):
        found = segmenter.predict_batch(
            [example.image for example in batch],
            [[truth.sentence for truth in example.truths] for example in batch],
        )
        for example, predictions in zip(batch, found, strict=True):
            for truth, prediction in zip(example.truths, predictions, strict=True):
                true = example.mask(truth.targets)
                ious.append(iou(*pixels_above(prediction.probability, true, CANDIDATES)))
                peaks.append(prediction.peak)
                presences.append(1.0 if prediction.present is None else prediction.present)
                is_present.append(bool(truth.targets))
    if not ious:
        raise InputError("a threshold is chosen on one sample or more, got none")
    means = np.mean(ious, axis=0)
    return Choice(
        mean_ious={threshold: float(mean) for threshold, mean in zip(CANDIDATES, means, strict=True)},
        gious=gious(
            np.array(ious)[:, means.argmax()], np.array(peaks), np.array(presences), np.array(is_present)
        ),
    )


def gious(
    ious: Float64[np.ndarray, "sentences"],
    peaks: Float64[np.ndarray, "sentences"],
    presences: Float64[np.ndarray, "sentences"],
    is_present: Bool[np.ndarray, "sentences"],
) -> dict[tuple[float, float], float]:
    """Return gIoU at each pair of thresholds: the mean IoU, 1 where nothing is meant and nothing found."""
    if is_present.all() or not is_present.any():
        return {}
    candidates = PEAK_CANDIDATES if (presences < 1).any() else PEAK_CANDIDATES[:1]
    found = {}
    for peak, presence in product(PEAK_CANDIDATES, candidates):
        is_found = (peaks > peak) & (presences > presence)
        found[peak, presence] = float(np.where(is_present, ious * is_found, ~is_found).mean())
    return found


def pixels_above(
    probability: Float32[np.ndarray, "height width"],
    true: Bool[np.ndarray, "height width"],
    candidates: Sequence[float],
) -> tuple[Int64[np.ndarray, "candidates"], Int64[np.ndarray, "candidates"]]:
    """Return intersections and unions of the masks at rising thresholds, each pixel looked at once."""
    thresholds = np.array(candidates, dtype=np.float32)  # as masks compare: in the probability's precision
    passed = np.searchsorted(thresholds, probability)  # candidates below the probability
    inside = np.bincount(passed[true], minlength=len(thresholds) + 1)
    outside = np.bincount(passed[~true], minlength=len(thresholds) + 1)
    intersections = inside[::-1].cumsum()[::-1][1:]
    return intersections, inside.sum() + outside[::-1].cumsum()[::-1][1:]


@dataclass(frozen=True, slots=True, eq=False)
class AtThresholds:
    """Figures of one answer at several thresholds, as `evaluate` has them at the model's."""

    intersections: Int64[np.ndarray, "thresholds"]
    unions: Int64[np.ndarray, "thresholds"]
    scores: Float64[np.ndarray, "thresholds"]


def measure_at(
    prediction: Prediction, true: Bool[np.ndarray, "height width"], thresholds: Sequence[float]
) -> AtThresholds:
    """Return the pixels and scores that `prediction.at_threshold` has at rising thresholds."""
    cells = prediction.grid[prediction.letterbox.cells]
    intersections, unions = pixels_above(prediction.probability, true, thresholds)
    true_area = int(np.count_nonzero(true))
    areas = intersections + unions - true_area
    raw = [expected_iou(cells, each) if area else 0.0 for each, area in zip(thresholds, areas, strict=True)]
    if not prediction.is_present:
        intersections, unions = np.zeros_like(intersections), np.full_like(unions, true_area)
    return AtThresholds(intersections, unions, np.array([prediction.calibration(each) for each in raw]))


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
