"""`cris compare`: two evaluations, sample by sample."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table
from rich.text import Text

from cris.cli.console import show
from cris.cli.results import read_results
from cris.errors import InputError
from cris.jobs import to_json

if TYPE_CHECKING:
    from cris.evaluation.compare import Comparison


@dataclass(frozen=True, kw_only=True)
class Command:
    """Show how two evaluations of the same samples differ, with paired 95 % intervals, and where most.

    Differences are B less A, in shares of 1. An interval that holds 0 shows no difference.
    """

    first: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """Folder that cris eval wrote with --out."""
    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """Folder of another evaluation, of the same data, split and limit."""
    most: Annotated[int, tyro.conf.arg(metavar="N")] = 20
    """Samples to list: those whose IoU changed most."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print one JSON object, and nothing else."""

    def run(self) -> int:
        """Compare and print."""
        from cris.evaluation.compare import compare

        if self.most < 0:
            raise InputError(f"--most must be 0 or more, got {self.most}")
        both = [read_results(folder) for folder in (self.first, self.second)]
        if both[0].record["identity"]["data"] != both[1].record["identity"]["data"]:
            raise InputError(
                f"{self.first} and {self.second} are of different data, splits or limits: "
                "measure both models on the same"
            )
        first, second = (results.evaluation().rows for results in both)
        comparison = compare(first, second)
        if self.as_json:
            sys.stdout.write(to_json(comparison.to_dict(self.most)))
            return 0
        show(_differences(f"{both[0].record['model']} → {both[1].record['model']}", comparison))
        if self.most:
            show(_changed(comparison, self.most))
        return 0


def _differences(title: str, comparison: "Comparison") -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column("figure")
    for header in ("A", "B", "B − A", "95 % interval"):
        table.add_column(header, justify="right")
    for one in comparison.differences:
        text, ends = one.metric.text, "–"
        if one.interval is not None:
            ends = f"{text(one.interval.low, sign='+')} to {text(one.interval.high, sign='+')}"
        table.add_row(one.metric.title, text(one.first), text(one.second), text(one.change, sign="+"), ends)
    return table


def _changed(comparison: "Comparison", most: int) -> Table:
    table = Table(title="Samples that changed most", title_justify="left")
    for header in ("sample", "image", "sentence"):
        table.add_column(header)
    for header in ("IoU of A", "IoU of B"):
        table.add_column(header, justify="right")
    table.add_column("what went wrong in A → B")
    for first, second in comparison.most_changed(most):
        table.add_row(
            str(first.sample),
            Text(first.picture),
            Text(first.sentence),
            f"{first.iou:.3f}",
            f"{second.iou:.3f}",
            f"{first.failure or '–'} → {second.failure or '–'}",
        )
    return table
