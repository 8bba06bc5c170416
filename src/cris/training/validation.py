"""How good the model is on samples it does not learn from; each counts once on any number of processes."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
from jaxtyping import Bool, Float64, Int64
from lightning_fabric import Fabric

from cris.data.samples import Referring
from cris.evaluation.metrics import Summary, iou, summarise
from cris.evaluation.threshold import CANDIDATES, pixels_above
from cris.letterbox import ceiling
from cris.model.config import InferenceConfig
from cris.prediction import Prediction
from cris.segmenter import Segmenter
from cris.training.config import ValidationConfig
from cris.training.processes import gathered
from cris.training.sheet import Shown

SHOWN = 8
"""Samples drawn on the sheet of example masks."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Figures of one look at the model."""

    summary: Summary
    """At the threshold."""
    threshold: float
    """With the best mean IoU of those that could be chosen."""
    shown: list[Shown]
    """The first ones, to be drawn."""


def validation_places(samples: Referring, config: ValidationConfig) -> Int64[np.ndarray, "places"]:
    """Which samples are looked at."""
    places = np.arange(len(samples))
    if config.sentences == "first":
        places = np.flatnonzero(np.diff(samples.index.entry, prepend=-1))
    return places[: config.samples]


def validate(
    fabric: Fabric, segmenter: Segmenter, samples: Referring, config: ValidationConfig
) -> Validation:
    """Measures on this process's pictures, and brings all processes' figures together."""
    inference = segmenter.inference
    thresholds = CANDIDATES if config.choose_threshold else (inference.threshold,)
    places = validation_places(samples, config).tolist()
    pictures = [list(group) for _, group in groupby(places, key=samples.index.picture.__getitem__)]
    rows: list[np.ndarray] = []
    shown: list[Shown] = []
    mine = iter(pictures[fabric.global_rank :: fabric.world_size])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sentences that are cut are part of what is measured
        for prediction, mask in _answers(segmenter, samples, mine):
            rows.append(_figures(prediction, mask, thresholds, inference))
            if len(shown) < SHOWN:
                shown.append(
                    Shown(
                        image=prediction.picture,
                        sentence=prediction.sentence,
                        truth=mask,
                        found={"what is found": prediction.mask},
                    )
                )
    width = 2 * len(thresholds) + 2
    table = np.concatenate([np.reshape(part, (-1, width)) for part in gathered(fabric, rows)])
    intersections, unions, rest = np.split(table, [len(thresholds), 2 * len(thresholds)], axis=1)
    best = int(iou(intersections, unions).mean(axis=0).argmax())
    summary = summarise(
        intersections=intersections[:, best].astype(np.int64),
        unions=unions[:, best].astype(np.int64),
        scores=rest[:, 0],
        ceilings=rest[:, 1],
    )
    return Validation(summary=summary, threshold=thresholds[best], shown=shown)


def _answers(
    segmenter: Segmenter, samples: Referring, pictures: Iterator[list[int]]
) -> Iterator[tuple[Prediction, Bool[np.ndarray, "height width"]]]:
    """What the model finds, and what it should have; each picture is encoded once."""
    while chunk := list(islice(pictures, segmenter.batch_size)):
        views = [samples.view(places) for places in chunk]
        found = segmenter.predict_batch([v.image for v in views], [list(v.sentences) for v in views])
        for view, answers in zip(views, found, strict=True):
            for answer, meant in zip(answers, view.meant, strict=True):
                yield answer, view.masks[meant]


def _figures(
    prediction: Prediction,
    mask: Bool[np.ndarray, "height width"],
    thresholds: Sequence[float],
    inference: InferenceConfig,
) -> Float64[np.ndarray, "figures"]:
    """Intersections and unions at each threshold, the score, and the ceiling."""
    intersections, unions = pixels_above(prediction.probability, mask, thresholds)
    best = ceiling(mask, inference.input_size, inference.protocol, inference.threshold)
    return np.array([*intersections, *unions, prediction.score, best], dtype=np.float64)
