"""`cris ablate`: the paper's seven rows, each trained and measured, then drawn beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from cris.cli.console import show
from cris.cli.experiment import split_options
from cris.jobs import Job, check_resumable, write_record, written_together

if TYPE_CHECKING:
    from cris.studies.ablation import Measured

TABLE, FIGURE = "ablation.md", "figure.jpg"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train and measure the seven rows of the paper's ablation: without and with its projector and decoder.

    DIR gets a folder for each row, with its run and its results; ablation.md, the table beside the paper's,
    and figure.jpg, what the rows find in the same images. What follows -- goes to every cris train.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """Recipe that the rows vary, refcoco-rn50-fixed or scenes-tiny-fixed say; see cris train."""
    data: Annotated[
        str, tyro.conf.arg(metavar="DIR|scenes", help_behavior_hint="(default: scenes for recipes of scenes)")
    ] = ""
    """Data to train and measure on: a data set (see cris data), or scenes; other recipes need it."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the experiment."""
    split: str = "val"
    """Split to measure on; the paper's rows are of val."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Measure on the first N samples only."""
    resume: bool = False
    """Go on with the experiment in DIR where it was interrupted."""
    options: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options for cris train."""

    def run(self) -> int:
        """Run whatever is not done yet, then write table and figure."""
        from cris.cli.train import data_for
        from cris.cli.train import parse as parse_train
        from cris.evaluation.results import Evaluation
        from cris.evaluation.row_files import read_rows
        from cris.studies.ablation import Measured, options
        from cris.studies.stages import run_stage
        from cris.training.recipes import ablation_rows

        base = parse_train("cris ablate", [self.recipe, *self.options]).config
        (data,) = data_for((self.data,) if self.data else (), self.recipe)
        check_resumable(self.out, is_resumed=self.resume)
        measured = []
        for row, config in ablation_rows(base).items():
            run, results = self.out / row / "run", self._results(row)
            changed = [*self.options, *options(base, config)]
            run_stage(["train", self.recipe, "--data", data, "--out", str(run), "--resume=auto", *changed])
            limit = [] if self.limit is None else ["--limit", str(self.limit)]
            asked = ["--split", self.split, *limit, "--out", str(results), "--resume"]
            run_stage(["eval", str(run), data, *asked])
            evaluation = Evaluation(read_rows(results))
            measured.append(
                Measured(row=row, total=evaluation.total, interval=evaluation.intervals.get("mean_iou"))
            )
        self._write(measured, data)
        return 0

    def _results(self, row: str) -> Path:
        return self.out / row / "results"

    def _write(self, measured: "Sequence[Measured]", data: str) -> None:
        from cris.data.open import open_dataset
        from cris.studies.ablation import figure, table

        text = table(measured, data=data, split=self.split, recipe=self.recipe)
        drawn = figure(
            open_dataset(data, self.split, self.limit),
            {one.row: self._results(one.row) for one in measured},
        )
        rows = {one.row: one.total.to_dict() for one in measured}
        job = Job("ablate", {"recipe": self.recipe, "options": self.options, "rows": rows})
        record = job.record(
            [TABLE, FIGURE],
            recipe=self.recipe,
            options=list(self.options),
            data=data,
            split=self.split,
            rows=rows,
        )
        with written_together(self.out) as folder:
            (folder / TABLE).write_text(text, encoding="utf-8")
            drawn.save(folder / FIGURE, quality=90)
            write_record(folder, record)
        show(text)


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """Return the command, with what follows -- kept for cris train."""
    return split_options(Command, prog, arguments)
