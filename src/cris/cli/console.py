"""Console output of commands: lines, tables and progress."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console, RenderableType, RichCast
from rich.table import Table
from rich.text import Text

from cris.cli.verbosity import LOG, log_at
from cris.jobs import to_json

if TYPE_CHECKING:
    from cris.evaluation.results import Evaluation

_PIPE_WIDTH = 120  # columns where there is no terminal


def show(what: RenderableType) -> None:
    """Print to stdout; strings are taken as they are, without rich's markup."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    console.print(Text(what) if isinstance(what, str) else what, soft_wrap=isinstance(what, str | Text))


@contextmanager
def log_shown() -> Iterator[None]:
    """Show on stderr what the library tells of its stages, unless a level was asked for."""
    with log_at("info") if LOG.level == logging.NOTSET else nullcontext():
        yield


class Recorded(Protocol):
    """Result of a study, which prints itself."""

    @property
    def record(self) -> Mapping[str, Any]:
        """Return the content of results.json."""
        ...


def report(found: Recorded, *, as_json: bool) -> None:
    """Print the result of a study: itself, or the JSON that results.json has."""
    if as_json:
        sys.stdout.write(to_json(found.record))
    else:
        show(found if isinstance(found, RichCast) else str(found))


def figures_table(title: str, evaluation: "Evaluation") -> Table:
    """Return the table of an evaluation: a row for each kind of expression, then one for all."""
    table = Table(title=Text(title), title_justify="left", show_footer=True)
    total, metrics = evaluation.total, [one for one in evaluation.headlines if not one.is_no_target]
    table.add_column("expression", "all")
    table.add_column("samples", f"{total.count:,}", justify="right")
    for one in metrics:
        table.add_column(one.title, one.text(total[one.name]), justify="right")
    for kind, summary in evaluation.kinds.items():
        table.add_row(kind, f"{summary.count:,}", *(one.text(summary[one.name]) for one in metrics))
    return table


def in_words(evaluation: "Evaluation") -> str:
    """Return what the table leaves out: interval of the mean IoU, misses by kind, no-target figures."""
    total = evaluation.total
    lines = []
    if interval := evaluation.intervals.get("mean_iou"):
        lines.append(
            f"mean IoU {total['mean_iou']:.3f}, 95 % interval {interval.low:.3f} to {interval.high:.3f}"
        )
    if evaluation.failures:
        misses = sum(evaluation.failures.values())
        kinds = ", ".join(f"{kind} {times:,}" for kind, times in evaluation.failures.items())
        lines.append(f"misses {misses:,} of {total.count:,} ({100 * misses / total.count:.0f} %): {kinds}")
    if no_target := [one for one in evaluation.headlines if one.is_no_target]:
        lines.append(", ".join(f"{one.title} {one.text(total[one.name])}" for one in no_target))
    return "\n".join(lines)
