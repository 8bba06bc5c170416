"""All rows of an evaluation, and what they amount to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cris.evaluation.bootstrap import Interval, intervals
from cris.evaluation.breakdowns import BREAKDOWNS, Group, breakdown, count_failures
from cris.evaluation.metrics import Summary
from cris.evaluation.rows import Row, summary_of


@dataclass(frozen=True)
class Evaluation:
    """All rows, and what they amount to."""

    rows: Sequence[Row]

    @cached_property
    def total(self) -> Summary:
        """Over all rows."""
        return summary_of(self.rows)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Figure → its 95 % interval."""
        return intervals(self.rows)

    @cached_property
    def kinds(self) -> dict[str, Summary]:
        """Kind of expression → its figures; sorted by kind."""
        names = sorted({row.kind for row in self.rows})
        return {name: summary_of([row for row in self.rows if row.kind == name]) for name in names}

    @cached_property
    def breakdowns(self) -> dict[str, list[Group]]:
        """What samples are grouped by → the groups."""
        return {by: breakdown(self.rows, by) for by in BREAKDOWNS}

    @cached_property
    def failures(self) -> dict[str, int]:
        """Kind of failure → how many samples, the most frequent first."""
        return count_failures(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the total's figures, `intervals`, `failures`, `kinds` and `breakdowns`."""
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
