"""Two evaluations of the same samples, sample by sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cris.errors import InputError
from cris.evaluation.bootstrap import Interval, resampled
from cris.evaluation.metrics import THRESHOLDS
from cris.evaluation.rows import Row, generalised_iou, summary_of

DIFFERENCES = ("mean_iou", "overall_iou", "giou", *(f"pr{round(100 * x)}" for x in THRESHOLDS))
"""Figures that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a figure moved from the first evaluation to the second."""

    name: str
    first: float
    second: float
    interval: Interval | None
    """Of second - first, resampled by picture; None when there are fewer than two pictures."""

    @property
    def change(self) -> float:
        """Second less first."""
        return self.second - self.first

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        interval = None if self.interval is None else self.interval.to_list()
        return {"first": self.first, "second": self.second, "change": self.change, "interval": interval}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two evaluations of the same samples; pairs are in the order of the split."""

    pairs: Sequence[tuple[Row, Row]]
    differences: Sequence[Difference]

    def most_changed(self, count: int) -> list[tuple[Row, Row]]:
        """The pairs whose IoU moved most, in either direction."""
        return sorted(self.pairs, key=lambda pair: (-abs(pair[1].iou - pair[0].iou), pair[0].sample))[:count]

    def to_dict(self, most: int) -> dict[str, Any]:
        """For JSON: the count, the differences, and the samples that changed most."""
        return {
            "count": len(self.pairs),
            "better": sum(second.iou > first.iou for first, second in self.pairs),
            "worse": sum(second.iou < first.iou for first, second in self.pairs),
            "differences": {one.name: one.to_dict() for one in self.differences},
            "most_changed": [_pair(first, second) for first, second in self.most_changed(most)],
        }


def compare(first: Sequence[Row], second: Sequence[Row]) -> Comparison:
    """Compares rows, which must be of the same samples.

    Intervals are of the paired difference: both evaluations are resampled alike, so what makes a picture
    easy or hard for both cancels out.

    Raises:
        InputError: the samples differ.
    """
    ours = {row.sample: row for row in first}
    theirs = {row.sample: row for row in second}
    pairs = [(ours[sample], theirs[sample]) for sample in sorted(ours.keys() & theirs.keys())]
    is_same = len(pairs) == len(first) == len(second) and all(
        (a.picture_id, a.sentence, a.true_area) == (b.picture_id, b.sentence, b.true_area) for a, b in pairs
    )
    if not is_same:
        raise InputError(
            f"results must be of the same samples to be compared, got {len(first):,} and {len(second):,}, "
            f"of which {len(pairs):,} have the same place: measure both on the same data, split and limit"
        )
    columns = [np.ones(len(pairs)), *_columns([a for a, _ in pairs]), *_columns([b for _, b in pairs])]
    found = resampled(
        [a for a, _ in pairs],
        np.stack(columns, axis=1),
        {name: _changes(place) for place, name in enumerate(DIFFERENCES)},
    )
    before, after = summary_of(first).to_dict(), summary_of(second).to_dict()
    return Comparison(
        pairs,
        [
            Difference(
                name=name,
                first=float(before[name] or 0),
                second=float(after[name] or 0),
                interval=found.get(name),
            )
            for name in DIFFERENCES
        ],
    )


def _columns(rows: Sequence[Row]) -> list[np.ndarray]:
    """What the figures are made of, in the order of DIFFERENCES; overall IoU takes two."""
    ious = np.array([row.iou for row in rows])
    return [
        ious,
        np.array([row.intersection for row in rows], dtype=np.float64),
        np.array([generalised_iou(row) for row in rows]),
        *((ious > limit).astype(np.float64) for limit in THRESHOLDS),
        np.array([row.union for row in rows], dtype=np.float64),
    ]


def _changes(place: int) -> Callable[[np.ndarray], np.ndarray]:
    """Second less first of the figure at that place, from resampled sums."""
    width = len(DIFFERENCES) + 1
    is_overall = DIFFERENCES[place] == "overall_iou"

    def figure(sums: np.ndarray) -> np.ndarray:
        before, after = sums[..., 1 : 1 + width], sums[..., 1 + width :]
        if is_overall:
            parts = (part[..., place] / np.maximum(part[..., -1], 1) for part in (before, after))
        else:
            parts = (part[..., place] / sums[..., 0] for part in (before, after))
        first, second = parts
        return np.asarray(second - first)

    return figure


def _pair(first: Row, second: Row) -> dict[str, Any]:
    return {
        "sample": first.sample,
        "picture": first.picture,
        "sentence": first.sentence,
        "iou": [first.iou, second.iou],
        "score": [first.score, second.score],
        "failure": [first.failure, second.failure],
    }
