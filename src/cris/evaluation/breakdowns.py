"""Groups of samples that are worth looking at apart: by category, length, area, distractors, kind."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cris.data.records import AREA_EDGES
from cris.evaluation.bootstrap import Interval, mean_interval
from cris.evaluation.metrics import METRICS, Metric, Summary, summarise
from cris.evaluation.rows import Row

WORD_EDGES = (1, 2, 3, 4, 5, 6, 8, 11)
"""Lower edges of the classes of sentences, in words."""
MOST_DISTRACTORS = 5
NO_CATEGORY = "none or several"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Samples that have something in common."""

    name: str
    summary: Summary
    interval: Interval | None
    """Interval of the mean IoU; None when there are fewer than two images."""
    failures: dict[str, int]
    """Kind of failure → number of samples."""

    def to_dict(self) -> dict[str, Any]:
        """Return the group for JSON."""
        interval = None if self.interval is None else self.interval.to_list()
        return {
            **self.summary.to_dict(),
            "intervals": {} if interval is None else {"mean_iou": interval},
            "failures": self.failures,
        }


def breakdown(rows: Sequence[Row], by: str, metrics: Sequence[Metric] = METRICS) -> list[Group]:
    """Return the groups of one of BREAKDOWNS: classes in their order, names with the most samples first."""
    name_of, order = BREAKDOWNS[by]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(name_of(row), []).append(row)
    names = [name for name in order if name in groups] or sorted(
        groups, key=lambda name: (-len(groups[name]), name)
    )
    return [
        Group(
            name=name,
            summary=summarise(groups[name], metrics),
            interval=mean_interval(groups[name], [row.iou for row in groups[name]]),
            failures=count_failures(groups[name]),
        )
        for name in names
    ]


def count_failures(rows: Sequence[Row]) -> dict[str, int]:
    """Return kind of failure → number of samples, the most frequent first."""
    counts = Counter(row.failure for row in rows if row.failure is not None)
    return {str(name): times for name, times in sorted(counts.items(), key=lambda one: (-one[1], one[0]))}


def _class(value: float, edges: Sequence[float]) -> int:
    """Return the last class whose lower edge the value reaches."""
    return max(place for place, edge in enumerate(edges) if value >= edge or place == 0)


_AREAS = ("no_target", *(f"{100 * low:g}–{100 * high:g} %" for low, high in pairwise(AREA_EDGES)))
_WORDS = (
    *(f"{low}" if high - low == 1 else f"{low}–{high - 1}" for low, high in pairwise(WORD_EDGES)),
    f"{WORD_EDGES[-1]} +",
)
_DISTRACTORS = (*map(str, range(MOST_DISTRACTORS)), f"{MOST_DISTRACTORS} +")


def _area(row: Row) -> str:
    if row.is_no_target:
        return _AREAS[0]
    return _AREAS[1 + _class(row.true_area / (row.height * row.width), AREA_EDGES[:-1])]


BREAKDOWNS: dict[str, tuple[Callable[[Row], str], tuple[str, ...]]] = {
    "kind": (lambda row: row.kind, ()),
    "category": (lambda row: row.category or NO_CATEGORY, ()),
    "words": (lambda row: _WORDS[_class(row.words, WORD_EDGES)], _WORDS),
    "area": (_area, _AREAS),
    "distractors": (lambda row: _DISTRACTORS[min(row.distractors, MOST_DISTRACTORS)], _DISTRACTORS),
}
"""Grouping → the group of a row, and the groups' order where they have one."""
