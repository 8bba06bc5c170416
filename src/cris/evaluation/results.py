"""Rows of an evaluation, and what they amount to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from cris.evaluation.bootstrap import Interval, intervals
from cris.evaluation.breakdowns import BREAKDOWNS, Group, breakdown, count_failures
from cris.evaluation.metrics import METRICS, Metric, Summary, headlines, summarise
from cris.evaluation.rows import Row


@dataclass(frozen=True, repr=False)
class Evaluation:
    """All rows, and what they amount to."""

    rows: Sequence[Row]
    """Row of each sample, in their order."""
    metrics: Sequence[Metric] = METRICS
    """Metrics to report of them: `[*METRICS, mine]` for one more."""

    @cached_property
    def total(self) -> Summary:
        """Return the figures over all rows."""
        return summarise(self.rows, self.metrics)

    @property
    def headlines(self) -> list[Metric]:
        """Return the metrics that are shown unasked."""
        return headlines(self.total.figures, self.metrics)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Return figure → its 95 % interval."""
        return intervals(self.rows, self.metrics)

    @cached_property
    def kinds(self) -> dict[str, Summary]:
        """Return kind of expression → its figures; sorted by kind."""
        names = sorted({row.kind for row in self.rows})
        groups = {name: [row for row in self.rows if row.kind == name] for name in names}
        return {name: summarise(group, self.metrics) for name, group in groups.items()}

    @cached_property
    def breakdowns(self) -> dict[str, list[Group]]:
        """Return grouping → the groups."""
        return {by: breakdown(self.rows, by, self.metrics) for by in BREAKDOWNS}

    @cached_property
    def failures(self) -> dict[str, int]:
        """Return kind of failure → number of samples, the most frequent first."""
        return count_failures(self.rows)

    def __repr__(self) -> str:
        """Return the headlines in one line."""
        figures = ", ".join(f"{title} {figure}" for title, figure, _ in self._lines())
        return f"Evaluation({self.total.count:,} samples: {figures})"

    def __str__(self) -> str:
        """Return a table of the headlines with their intervals."""
        lines = [f"{title:<14}{figure:>8}  {ends}".rstrip() for title, figure, ends in self._lines()]
        return "\n".join([f"{self.total.count:,} samples", *lines])

    def _repr_html_(self) -> str:
        """Return the same table, for notebooks."""
        rows = "".join(
            f"<tr><td>{escape(title)}</td><td>{figure}</td><td>{ends}</td></tr>"
            for title, figure, ends in self._lines()
        )
        head = f"<tr><th>{self.total.count:,} samples</th><th></th><th>95 % interval</th></tr>"
        return f"<table>{head}{rows}</table>"

    def _lines(self) -> list[tuple[str, str, str]]:
        """Return title, figure and interval of each headline, as text."""
        lines = []
        for metric in self.headlines:
            interval = self.intervals.get(metric.name)
            ends = f"{metric.text(interval.low)} to {metric.text(interval.high)}" if interval else ""
            lines.append((metric.title, metric.text(self.total[metric.name]), ends))
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return for JSON the total's figures, `intervals`, `failures`, `kinds` and `breakdowns`."""
        groups = {
            by: {group.name: group.to_dict() for group in groups} for by, groups in self.breakdowns.items()
        }
        return {
            **self.total.to_dict(),
            "intervals": {name: one.to_list() for name, one in self.intervals.items()},
            "failures": self.failures,
            "kinds": dict(sorted(groups.pop("kind").items())),
            "breakdowns": groups,
        }
