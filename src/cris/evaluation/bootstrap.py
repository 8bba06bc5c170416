"""Bootstrap intervals: how far figures would move with other pictures of the same kind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from cris.evaluation.metrics import THRESHOLDS
from cris.evaluation.rows import Row, generalised_iou

RESAMPLES = 1000
SEED = 0
LEVEL = 0.95
Sums = Float64[np.ndarray, "... columns"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies in 95 % of resamples."""

    low: float
    high: float

    def to_list(self) -> list[float]:
        """For JSON."""
        return [self.low, self.high]


def intervals(rows: Sequence[Row]) -> dict[str, Interval]:
    """Figure → its interval, resampled by picture; none when there are fewer than two pictures.

    Sentences about one picture are not independent, so whole pictures are drawn (cluster bootstrap).
    """
    ious = np.array([row.iou for row in rows])
    columns = [
        np.ones(len(rows)),
        ious,
        np.array([row.intersection for row in rows], dtype=np.float64),
        np.array([row.union for row in rows], dtype=np.float64),
        np.array([generalised_iou(row) for row in rows]),
        *((ious > threshold).astype(np.float64) for threshold in THRESHOLDS),
    ]
    figures: dict[str, Callable[[Sums], np.ndarray]] = {
        "mean_iou": lambda sums: sums[..., 1] / sums[..., 0],
        "overall_iou": lambda sums: sums[..., 2] / np.maximum(sums[..., 3], 1),
        "giou": lambda sums: sums[..., 4] / sums[..., 0],
    }
    for place, threshold in enumerate(THRESHOLDS):
        figures[f"pr{round(100 * threshold)}"] = _mean_of(5 + place)
    return resampled(rows, np.stack(columns, axis=1), figures)


def mean_interval(rows: Sequence[Row], values: Sequence[float]) -> Interval | None:
    """Of the mean of a value for each row; None when there are fewer than two pictures."""
    columns = np.stack([np.ones(len(rows)), np.array(values, dtype=np.float64)], axis=1)
    return resampled(rows, columns, {"mean": _mean_of(1)}).get("mean")


def resampled(
    rows: Sequence[Row],
    values: Float64[np.ndarray, "rows columns"],
    figures: Mapping[str, Callable[[Sums], np.ndarray]],
) -> dict[str, Interval]:
    """Intervals of figures that are made of sums over rows; none when there are fewer than two pictures.

    Args:
        rows: whose pictures are drawn
        values: what is summed
        figures: each from the sums (…, columns)
    """
    order = sorted(range(len(rows)), key=lambda place: rows[place].sample)  # any order gives the same
    pictures = np.array([rows[place].picture_id for place in order])
    known, owner = np.unique(pictures, return_inverse=True)
    if len(known) < 2:
        return {}
    sums = np.zeros((len(known), values.shape[1]))
    np.add.at(sums, owner, values[order])
    drawn = np.stack([times @ sums for times in _draws(len(known))])
    low, high = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    found = {}
    for name, figure in figures.items():
        ends = np.quantile(figure(drawn), [low, high])
        found[name] = Interval(float(ends[0]), float(ends[1]))
    return found


def _draws(pictures: int) -> Iterator[Int64[np.ndarray, "pictures"]]:
    """How often each picture is drawn, in each resample."""
    random = np.random.default_rng(SEED)
    for _ in range(RESAMPLES):
        yield np.bincount(random.integers(pictures, size=pictures), minlength=pictures)


def _mean_of(column: int) -> Callable[[Sums], np.ndarray]:
    return lambda sums: sums[..., column] / sums[..., 0]
