"""Bootstrap intervals: the spread of figures over other images of the same kind."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from cris.evaluation.metrics import METRICS, Metric, Ratio, mean
from cris.evaluation.rows import Row

RESAMPLES = 1000
SEED = 0
LEVEL = 0.95
_DRAWN_AT_ONCE = 100_000
"""Most images that are drawn at a time, of all resamples together."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Range of a figure in 95 % of resamples."""

    low: float
    high: float

    @classmethod
    def of(cls, figures: Float64[np.ndarray, "resamples"]) -> "Interval | None":
        """Return the interval of a figure's resamples, NaN left out; None when there are no others."""
        counted = figures[~np.isnan(figures)]
        if not len(counted):
            return None
        low, high = np.quantile(counted, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(float(low), float(high))

    def to_list(self) -> list[float]:
        """Return the ends of the interval, for JSON."""
        return [self.low, self.high]


@dataclass(frozen=True, slots=True)
class Resamples:
    """Numerators and denominators of some ratios, summed over the rows of each resample."""

    sums: Float64[np.ndarray, "resamples ratios 2"]

    def figure(self, ratio: Ratio, place: int) -> Float64[np.ndarray, "resamples"]:
        """Return the figure of each resample, of the ratio that was given at that place."""
        return ratio.of_sums(self.sums[:, place, 0], self.sums[:, place, 1])


def intervals(rows: Sequence[Row], metrics: Iterable[Metric] = METRICS) -> dict[str, Interval]:
    """Return the interval of each metric that has one; none when there are fewer than two images."""
    chosen = resampled_metrics(metrics)
    resamples = resample(rows, [parts_of(rows, metric, ratio) for metric, ratio in chosen])
    if resamples is None:
        return {}
    found = {
        metric.name: Interval.of(resamples.figure(ratio, place))
        for place, (metric, ratio) in enumerate(chosen)
    }
    return {name: interval for name, interval in found.items() if interval is not None}


def mean_interval(rows: Sequence[Row], values: Sequence[float]) -> Interval | None:
    """Return the interval of a value's mean over rows; None when there are fewer than two images."""
    resamples = resample(rows, [[(value, 1.0) for value in values]])
    return None if resamples is None else Interval.of(resamples.figure(mean(), 0))


def resampled_metrics(metrics: Iterable[Metric]) -> list[tuple[Metric, Ratio]]:
    """Return the metrics that have an interval, each with its ratio."""
    return [
        (metric, metric.aggregate)
        for metric in metrics
        if metric.has_interval and isinstance(metric.aggregate, Ratio)
    ]


def parts_of(rows: Sequence[Row], metric: Metric, ratio: Ratio) -> list[tuple[float, float]]:
    """Return the numerator and denominator of each row."""
    return [ratio.parts(metric.figure(row)) for row in rows]


def resample(rows: Sequence[Row], parts: Sequence[Sequence[tuple[float, float]]]) -> Resamples | None:
    """Draw rows again and again and add up; None when there are fewer than two images.

    Sentences about one image are not independent, so whole images are drawn (cluster bootstrap).

    Args:
        rows: whose images are drawn; any order gives the same
        parts: of each ratio, the numerator and denominator of each row
    """
    order = sorted(range(len(rows)), key=lambda place: rows[place].sample)
    images = np.array([rows[place].picture_id for place in order])
    known, owner = np.unique(images, return_inverse=True)
    if len(known) < 2:
        return None
    values = np.array(parts, dtype=np.float64).reshape(len(parts), len(rows), 2).swapaxes(0, 1)
    sums = np.zeros((len(known), 2 * len(parts)))
    np.add.at(sums, owner, values[order].reshape(len(rows), -1))
    drawn = np.concatenate([times @ sums for times in _draws(len(known))])
    return Resamples(drawn.reshape(-1, len(parts), 2))


def _draws(images: int) -> Iterator[Float64[np.ndarray, "resamples images"]]:
    """Yield the number of times that each image is drawn, for some resamples at a time."""
    random = np.random.default_rng(SEED)
    at_once = max(1, _DRAWN_AT_ONCE // images)
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        drawn = random.integers(images, size=(count, images)) + images * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * images).reshape(count, images)
        yield times.astype(np.float64)
