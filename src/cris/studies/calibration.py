"""Calibration of scores: the fit, the error, risk against coverage."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from cris.calibration import IDENTITY, Calibration
from cris.data.dataset import AnnotatedImage
from cris.errors import InputError
from cris.evaluation.ask import measure
from cris.evaluation.metrics import GOOD_IOU
from cris.evaluation.threshold import store_inference
from cris.segmenter import Segmenter
from cris.studies.logistic import fit_line

BINS = 10
"""Number of bins of equal width, from 0 to 1, in which scores and outcomes are compared."""
FEWEST = 20
"""Good masks, and bad ones, below which a fit would follow chance."""
_RIDGE = 1e-2
"""Pull towards the raw score, in samples: the fit stays finite where scores separate."""
_LEAST = 0.05
"""Smallest `low` and `high`, so that scores rise everywhere."""
_EDGE = 1e-6
"""Distance that raw scores keep from 0 and 1, whose log-odds have no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Samples whose scores lie between two limits."""

    low: float
    high: float
    count: int
    mean_score: float
    """Mean score: the promise."""
    good: float
    """Share of masks that were good: the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Outcome when only answers with at least this score are given."""

    min_score: float
    coverage: float
    """Share of sentences that get an answer."""
    risk: float
    """Share of these answers whose mask is bad (IoU of 0.5 or less)."""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Reliability of a score."""

    count: int
    ece: float
    """Expected calibration error: mean distance of promise and outcome over the bins, weighted by samples."""
    bins: tuple[Bin, ...]
    risk_coverage: tuple[Point, ...]
    """Points from the surest answers on; at most 100."""
    area: float
    """Mean risk over all coverages, 0 at best."""

    def to_dict(self) -> dict[str, Any]:
        """Return the reliability for JSON."""
        return asdict(self)


def answers(
    segmenter: Segmenter, images: Iterable[AnnotatedImage], *, is_raw: bool
) -> tuple[Float64[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return for each sentence its score, without calibration where raw, and whether the mask is good."""
    if is_raw:
        inference = replace(segmenter.inference, calibration=IDENTITY)
        segmenter = Segmenter(
            segmenter.engine, segmenter.tokenizer, inference, batch_size=segmenter.batch_size
        )
    rows = list(measure(segmenter, images))
    scores = np.array([row.score for row in rows], dtype=np.float64)
    return scores, np.array([row.iou > GOOD_IOU for row in rows], dtype=bool)


def store_calibration(checkpoint: Path, calibration: Calibration) -> None:
    """Write the calibration into a checkpoint's config.json, atomically.

    Raises:
        InputError: the folder holds no checkpoint.
    """
    store_inference(checkpoint, lambda inference: replace(inference, calibration=calibration))


def fit(raw: Float64[np.ndarray, "n"], is_good: Bool[np.ndarray, "n"]) -> Calibration:
    """Return the maximum-likelihood calibration for the outcomes (beta calibration).

    Samples with a raw score of 0, where nothing was found, have no part in it.

    Args:
        raw: scores under no calibration.
        is_good: whether each mask's IoU is above 0.5.

    Raises:
        InputError: there are too few good masks, or too few bad ones, or the worse masks have higher scores.
    """
    found = raw > 0
    good, bad = int(np.count_nonzero(is_good & found)), int(np.count_nonzero(~is_good & found))
    if min(good, bad) < FEWEST:
        raise InputError(
            f"a calibration needs at least {FEWEST} good masks and {FEWEST} bad ones, "
            f"got {good} and {bad}: take more samples"
        )
    shares = np.clip(raw[found], _EDGE, 1 - _EDGE)
    inputs = np.stack([np.log(shares), -np.log1p(-shares), np.ones_like(shares)], axis=1)
    # Platt's targets: a little inside 0 and 1, as if each outcome had been seen once more
    targets = np.where(is_good[found], (good + 1) / (good + 2), 1 / (bad + 2))
    low, high, offset = fit_line(inputs, targets, np.array([1.0, 1.0, 0.0]), _RIDGE).tolist()
    # where one of them would fall it is held at the least, and the rest fitted to it
    if low < _LEAST:
        low = _LEAST
        high, offset = _fit_beside(inputs[:, [1, 2]], low * inputs[:, 0], targets)
    elif high < _LEAST:
        high = _LEAST
        low, offset = _fit_beside(inputs[:, [0, 2]], high * inputs[:, 1], targets)
    if min(low, high) < _LEAST:
        raise InputError("worse masks have the higher scores: no calibration that rises can mend that")
    return Calibration(low=low, high=high, offset=offset)


def _fit_beside(
    inputs: Float64[np.ndarray, "samples 2"],
    held: Float64[np.ndarray, "samples"],
    targets: Float64[np.ndarray, "samples"],
) -> tuple[float, float]:
    """Return slope and offset beside a part of the log-odds that is held."""
    slope, offset = fit_line(inputs, targets, np.array([1.0, 0.0]), _RIDGE, held).tolist()
    return slope, offset


def reliability(scores: Float64[np.ndarray, "n"], is_good: Bool[np.ndarray, "n"]) -> Reliability:
    """Return the reliability of n samples, one entry each; raise InputError when there is none."""
    if not len(scores):
        raise InputError("there is nothing to measure: expected one sample or more, got none")
    bins = _bins(scores, is_good)
    error = sum(one.count * abs(one.mean_score - one.good) for one in bins) / len(scores)
    points = risk_coverage(scores, is_good)
    coverage = np.array([0.0, *(point.coverage for point in points)])
    risk = np.array([point.risk for point in points])
    return Reliability(
        count=len(scores),
        ece=float(error),
        bins=tuple(bins),
        risk_coverage=tuple(_thinned(points)),
        area=float(np.diff(coverage) @ risk),
    )


def risk_coverage(scores: Float64[np.ndarray, "n"], is_good: Bool[np.ndarray, "n"]) -> list[Point]:
    """Return a point for each different score, from the highest on; equal scores are answered together."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    answered = np.arange(1, len(ranked) + 1)
    risks = np.cumsum(~is_good[order]) / answered
    lasts = np.flatnonzero(np.append(np.diff(ranked) != 0, np.True_))
    return [
        Point(
            min_score=float(ranked[last]),
            coverage=float(answered[last] / len(ranked)),
            risk=float(risks[last]),
        )
        for last in lasts
    ]


def _bins(scores: Float64[np.ndarray, "n"], is_good: Bool[np.ndarray, "n"]) -> list[Bin]:
    places = np.minimum((scores * BINS).astype(int), BINS - 1)
    return [
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            count=int(np.count_nonzero(places == place)),
            mean_score=float(scores[places == place].mean()),
            good=float(is_good[places == place].mean()),
        )
        for place in np.unique(places).tolist()
    ]


def _thinned(points: Sequence[Point], most: int = 100) -> list[Point]:
    places = np.unique(np.linspace(0, len(points) - 1, min(most, len(points))).round().astype(int))
    return [points[place] for place in places]
