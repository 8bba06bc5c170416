"""Validation on samples that are not trained on; each counts once on any number of processes."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
from jaxtyping import Bool, Float64, Int64
from lightning_fabric import Fabric

from cris.data.samples import Referring, View
from cris.errors import DamagedImageError, InputError
from cris.evaluation.metrics import Summary, iou, summarise
from cris.evaluation.rows import Overlap
from cris.evaluation.threshold import CANDIDATES, measure_at
from cris.letterbox import ceiling
from cris.model.config import InferenceConfig
from cris.prediction import Prediction
from cris.segmenter import Segmenter
from cris.training.config import ValidationConfig
from cris.training.figures import MaskExample
from cris.training.processes import all_gather

SHOWN = 8
"""Number of samples drawn on the sheet of example masks: of different images as far as possible."""
Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Figures of one validation, those of `cris eval` at the threshold."""

    summary: Summary
    threshold: float
    """Threshold with the best mean IoU among the candidates."""
    shown: list[MaskExample]
    """Examples to draw, at the threshold: the first of each image, then others."""
    damaged: tuple[DamagedImageError, ...] = ()
    """Errors of this process's images that cannot be decoded, and are left out of the figures."""

    @property
    def mean_iou(self) -> float:
        """Return the mean IoU, which chooses the best checkpoint of a run."""
        return self.summary.known("mean_iou")


def validation_places(samples: Referring, config: ValidationConfig) -> Int64[np.ndarray, "places"]:
    """Return the places of the samples to measure."""
    places = np.arange(len(samples))
    if config.sentences == "first":
        places = np.flatnonzero(np.diff(samples.index.entry, prepend=-1))
    return places[: config.samples]


def validate(
    fabric: Fabric, segmenter: Segmenter, samples: Referring, config: ValidationConfig
) -> Validation:
    """Measure this process's images, and combine the figures of all processes.

    Raises:
        InputError: none of the images can be decoded.
    """
    inference = segmenter.inference
    thresholds = CANDIDATES if config.choose_threshold else (inference.threshold,)
    places = validation_places(samples, config).tolist()
    pictures = [list(group) for _, group in groupby(places, key=samples.index.picture.__getitem__)]
    rows: list[np.ndarray] = []
    firsts: list[tuple[Prediction, Mask]] = []
    others: list[tuple[Prediction, Mask]] = []
    damaged: list[DamagedImageError] = []
    mine = iter(pictures[fabric.global_rank :: fabric.world_size])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sentences that are cut are part of what is measured
        for prediction, mask, is_first in _answers(segmenter, samples, mine, damaged):
            rows.append(_figures(prediction, mask, thresholds, inference))
            kept = firsts if is_first else others
            if len(kept) < SHOWN:
                kept.append((prediction, mask))
    width = 3 * len(thresholds) + 2
    table = np.concatenate([np.reshape(part, (-1, width)) for part in all_gather(fabric, rows)])
    if not len(table):
        raise InputError(
            f"none of the {len(pictures):,} pictures to validate on can be decoded: cris data check says why"
        )
    intersections, unions, scores = np.split(table[:, :-2], 3, axis=1)
    best = int(iou(intersections, unions).mean(axis=0).argmax())
    columns = (intersections[:, best], unions[:, best], scores[:, best], table[:, -2], table[:, -1])
    overlaps = [_overlap(*values) for values in np.stack(columns, axis=1).tolist()]
    threshold = thresholds[best]
    shown = [_shown(prediction, mask, threshold) for prediction, mask in (firsts + others)[:SHOWN]]
    return Validation(summary=summarise(overlaps), threshold=threshold, shown=shown, damaged=tuple(damaged))


def _overlap(intersection: float, union: float, score: float, true_area: float, ceiling: float) -> Overlap:
    return Overlap(
        true_area=int(true_area),
        predicted_area=int(intersection + union - true_area),
        intersection=int(intersection),
        union=int(union),
        iou=iou(intersection, union),
        score=score,
        ceiling=ceiling,
        is_no_target=true_area == 0,
    )


def _shown(prediction: Prediction, mask: Mask, threshold: float) -> MaskExample:
    return MaskExample(
        image=prediction.picture,
        sentence=prediction.sentence,
        truth=mask,
        found={"what is found": prediction.at_threshold(threshold).mask},
    )


def _answers(
    segmenter: Segmenter, samples: Referring, pictures: Iterator[list[int]], damaged: list[DamagedImageError]
) -> Iterator[tuple[Prediction, Mask, bool]]:
    """Yield the prediction, the true mask, and whether it is the first of its image.

    Errors of images that cannot be decoded are appended to `damaged`.
    """
    while chunk := list(islice(pictures, segmenter.batch_size)):
        views = list(_views(samples, chunk, damaged))
        found = segmenter.predict_batch([v.image for v in views], [list(v.sentences) for v in views])
        for view, answers in zip(views, found, strict=True):
            for place, (answer, meant) in enumerate(zip(answers, view.meant, strict=True)):
                yield answer, view.masks[meant], place == 0


def _views(
    samples: Referring, pictures: Sequence[list[int]], damaged: list[DamagedImageError]
) -> Iterator[View]:
    for places in pictures:
        try:
            yield samples.view(places)
        except DamagedImageError as error:
            damaged.append(error)


def _figures(
    prediction: Prediction, mask: Mask, thresholds: Sequence[float], inference: InferenceConfig
) -> Float64[np.ndarray, "figures"]:
    """Return intersections, unions and scores at each threshold, the true area, and the ceiling."""
    at = measure_at(prediction, mask, thresholds)
    best = ceiling(mask, inference.input_size, inference.protocol)
    true_area = np.count_nonzero(mask)
    return np.array([*at.intersections, *at.unions, *at.scores, true_area, best], dtype=np.float64)
