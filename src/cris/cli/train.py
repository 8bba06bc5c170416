"""`cris train`: trains a model by a recipe."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from cris.cli.errors import UsageError

OVERRIDES = (
    "max_steps",
    "pictures",
    "sentences",
    "learning_rate",
    "seed",
    "processes",
    "device",
    "checkpoint_every",
    "validation_samples",
)
"""Options that replace the recipe's own value."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Trains a model by a recipe; what is left out is as the recipe has it.

    The run's folder gets metrics.jsonl and checkpoints/last, a folder that every command takes as a model.
    SIGTERM and SIGINT (Ctrl-C) save before they end the run.
    """

    recipe: tyro.conf.Positional[str]
    """Name of the recipe: cris-scenes."""
    data: str = "scenes"
    """What to train on: scenes, rendered on the fly."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder of the run."""
    max_steps: int | None = None
    """Optimiser steps."""
    pictures: int | None = None
    """Pictures per step, over all processes."""
    sentences: int | None = None
    """Sentences per picture."""
    learning_rate: float | None = None
    """Highest learning rate."""
    seed: int | None = None
    """Seed of weights and data."""
    processes: int | None = None
    """Processes on this machine; on a CPU one for each core is fastest."""
    device: Literal["cpu", "cuda", "auto"] | None = None
    """Where to train."""
    checkpoint_every: int | None = None
    """Steps between checkpoints."""
    validation_samples: int | None = None
    """Validation scenes looked at with every checkpoint."""
    resume: Literal["auto", "never"] = "never"
    """auto goes on with the run in DIR, or begins it; never refuses a folder that holds a run."""
    start_from: Annotated[str | None, tyro.conf.arg(name="from", metavar="MODEL")] = None
    """Begin with the weights of this model (registered name or checkpoint folder) of the recipe's sizes."""

    def run(self) -> int:
        """Trains, telling of each line of metrics."""
        try:
            from cris.training.recipes import RECIPES
        except ModuleNotFoundError as error:
            raise ValueError(f"training needs {error.name}: pip install 'cris[train]'") from error
        from cris.training.loop import last_checkpoint, train

        if self.recipe not in RECIPES:
            raise UsageError(f"there is no recipe {self.recipe!r}: the recipes are {', '.join(RECIPES)}")
        if self.data != "scenes":
            raise UsageError(f"this version trains on scenes only, got {self.data!r}: pass --data scenes")
        given = {name: getattr(self, name) for name in OVERRIDES if getattr(self, name) is not None}
        config = replace(RECIPES[self.recipe](), **given)
        if self.resume == "never" and last_checkpoint(self.out).exists():
            raise ValueError(f"{self.out} holds a run: pass --resume auto to go on, or choose another --out")
        start = None
        if self.start_from is not None:
            from cris.checkpoint import load_checkpoint
            from cris.registry import resolve

            start = load_checkpoint(resolve(self.start_from)).model
        outcome = train(config, self.out, start=start, report=_tell)
        if outcome.is_first:
            sys.stdout.write(
                f"{outcome.step} steps; best validation mean IoU {outcome.best:.3f}; "
                f"model: {last_checkpoint(self.out)}\n"
            )
        return 128 + outcome.stopped_by if outcome.stopped_by else 0


def _tell(values: dict[str, float]) -> None:
    words = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()
