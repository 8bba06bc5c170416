"""`cris table`: many evaluations beside the paper's figures."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.cli.errors import UsageError
from cris.cli.results import read_results


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print a table of evaluations, a line for each model, as Markdown or LaTeX, in percent.

    Where a model has the paper's image encoder and was measured on a split of RefCOCO, RefCOCO+ or RefCOCOg,
    the paper's line stands above.
    """

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[NAME=]RESULTS")] = ()
    """Folders that cris eval wrote with --out; a NAME stands in the table for the model's own."""
    figure: Annotated[str, tyro.conf.arg(metavar="NAME")] = "mean_iou"
    """Figure to show, by its name in the JSON of cris eval; the paper's figures are mean IoU."""
    latex: bool = False
    """Print a LaTeX tabular, for the package booktabs, in place of Markdown."""

    def run(self) -> int:
        """Read and print."""
        if not self.runs:
            raise UsageError("expected folders that cris eval wrote with --out, got none")
        from cris.cli.parsing import not_one_of
        from cris.evaluation.metrics import METRICS

        if self.figure not in (names := [metric.name for metric in METRICS]):
            raise UsageError(not_one_of("--figure", self.figure, names))
        from cris.evaluation.table import TableEntry, make_table

        runs = []
        for run in self.runs:
            name, mark, folder = run.partition("=")
            is_named = bool(name and mark) and not Path(run).exists()
            path = Path(folder if is_named else run)
            record = read_results(path).record
            runs.append(TableEntry(record=record, name=name if is_named else None, folder=str(path)))
        table = make_table(runs, self.figure)
        sys.stdout.write(table.latex() if self.latex else table.markdown())
        return 0
