"""`cris reproduce`: check → train → measure on every split → table beside the paper's → model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cris.cli.console import log_shown, report
from cris.cli.parsing import split_options


@dataclass(frozen=True, kw_only=True)
class Command:
    """Repeat a result of the paper: check the data, train, measure on every split, compare, write a card.

    OUT gets checked/, run/, results/ with a folder for each split, table.md and table.tex beside the paper's
    figures, and model/, the checkpoint with its card. Each stage goes on where it was interrupted. What
    follows -- goes to cris train.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """Recipe: data-backbone-family, refcoco-rn50-fixed say; see cris train."""
    data: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="DIR|scenes", help_behavior_hint="(default: scenes for recipes of scenes)"),
    ] = ()
    """Prepared data set (see cris data), several for their union, or scenes."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the experiment."""
    scale: float = 1.0
    """Share of the steps, and of the samples measured; less than 1 is a rehearsal of everything."""
    resume: bool = False
    """Go on with the experiment in DIR where it was interrupted."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the records of all splits, and the folder of the model, as one JSON object, and nothing else."""
    overwrite: bool = False
    """Remove the experiment in DIR, and begin anew."""
    options: tyro.conf.Suppress[tuple[str, ...]] = ()
    """Options for cris train."""

    def run(self) -> int:
        """Run whatever is not done yet, then write tables and the card."""
        from cris.cli.train import parse as parse_train
        from cris.studies import reproduce

        config = parse_train("cris reproduce", [self.recipe, *self.options]).config
        with log_shown():
            found = reproduce(
                config,
                data=self.data,
                out=self.out,
                scale=self.scale,
                resume=self.resume,
                overwrite=self.overwrite,
            )
        report(found, as_json=self.as_json)
        return 0


def parse(prog: str, arguments: Sequence[str]) -> Command:
    """Return the command, with what follows -- kept for cris train."""
    return split_options(Command, prog, arguments)
