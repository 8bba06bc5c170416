"""`cris ablate`: the paper's seven rows, each trained and measured, then drawn beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.cli.console import log_shown, report
from cris.cli.parsing import split_options


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
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Remove the experiment in DIR, and begin anew."""
    options: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options for cris train."""

    def run(self) -> int:
        """Run whatever is not done yet, then write table and figure."""
        from cris.cli.train import parse as parse_train
        from cris.studies import ablate

        config = parse_train("cris ablate", [self.recipe, *self.options]).config
        with log_shown():
            found = ablate(
                config,
                data=self.data or None,
                out=self.out,
                split=self.split,
                limit=self.limit,
                resume=self.resume,
                overwrite=self.overwrite,
            )
        report(found, as_json=self.as_json)
        return 0


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """Return the command, with what follows -- kept for cris train."""
    return split_options(Command, prog, arguments)
