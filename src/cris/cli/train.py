"""`cris train`: trains a model by a recipe."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from cris.cli.errors import UsageError

if TYPE_CHECKING:
    from cris.checkpoint import Checkpoint
    from cris.training.config import TrainConfig
    from cris.training.loop import Material

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
    """Name of the recipe: cris-scenes, from scratch; or finetune, which goes on with a model on your data."""
    data: Annotated[str, tyro.conf.arg(metavar="DIR|scenes")] = "scenes"
    """What to train on: a data set (see cris data) with splits train and val, or scenes, made on the fly."""
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
    """Validation samples looked at with every checkpoint."""
    resume: Literal["auto", "never"] = "never"
    """auto goes on with the run in DIR, or begins it; never refuses a folder that holds a run."""
    start_from: Annotated[str | None, tyro.conf.arg(name="from", metavar="MODEL")] = None
    """Begin with the weights of this model (registered name or checkpoint folder) of the recipe's sizes."""

    def run(self) -> int:
        """Trains, telling of each line of metrics."""
        try:
            from cris.training.loop import last_checkpoint, train
        except ModuleNotFoundError as error:
            raise ValueError(f"training needs {error.name}: pip install 'cris[train]'") from error
        from cris.checkpoint import load_checkpoint
        from cris.registry import resolve

        if self.resume == "never" and last_checkpoint(self.out).exists():
            raise ValueError(f"{self.out} holds a run: pass --resume auto to go on, or choose another --out")
        start = None if self.start_from is None else load_checkpoint(resolve(self.start_from))
        recipe, material = self._from_scratch() if self.recipe != "finetune" else self._finetune(start)
        given = {name: getattr(self, name) for name in OVERRIDES if getattr(self, name) is not None}
        outcome = train(
            replace(recipe, **given),
            material,
            self.out,
            start=None if start is None else start.model,
            report=_tell,
        )
        if outcome.is_first:
            sys.stdout.write(
                f"{outcome.step} steps; best validation mean IoU {outcome.best:.3f}; "
                f"model: {last_checkpoint(self.out)}\n"
            )
        return 128 + outcome.stopped_by if outcome.stopped_by else 0

    def _from_scratch(self) -> "tuple[TrainConfig, Material]":
        from cris.data.dataset import SceneDataset
        from cris.data.scenes import Scenes, vocabulary
        from cris.model.tokenizer import Tokenizer
        from cris.training.loop import Material
        from cris.training.recipes import FROM_SCRATCH

        if self.recipe not in FROM_SCRATCH:
            known = ", ".join([*FROM_SCRATCH, "finetune"])
            raise UsageError(f"there is no recipe {self.recipe!r}: the recipes are {known}")
        if self.data != "scenes":
            raise UsageError(f"{self.recipe} trains on scenes, got {self.data!r}: pass --data scenes")
        config = FROM_SCRATCH[self.recipe]()
        seed = config.seed if self.seed is None else self.seed
        return config, Material(
            training=SceneDataset(Scenes("train", seed=seed)),
            validation=SceneDataset(Scenes("val")),
            tokenizer=Tokenizer().reduced(sorted(vocabulary())),
        )

    def _finetune(self, start: "Checkpoint | None") -> "tuple[TrainConfig, Material]":
        from cris.data.dataset import ReferringDataset
        from cris.training.loop import Material
        from cris.training.recipes import finetune

        if start is None or self.data == "scenes":
            raise UsageError("finetune needs a model and a data set: pass --from MODEL and --data DIR")
        training = ReferringDataset(self.data, "train")
        config = replace(finetune(start), data=training.stored.manifest.fingerprint)
        return config, Material(
            training=training, validation=ReferringDataset(self.data, "val"), tokenizer=start.tokenizer
        )


def _tell(values: dict[str, float]) -> None:
    words = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()
