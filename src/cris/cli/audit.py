"""`cris audit`: rank annotations by how likely they are wrong."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from cris.cli.console import report
from cris.registry import DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True)
class Command:
    """Rank annotations by how likely they are wrong: those for which models clearly prefer another object.

    Images are dealt to folds, and each fold is judged by a model that was finetuned on the others. Write
    index.html, to go through the most suspicious ones with the keyboard and save the list of those to drop;
    suspects.jsonl, with all annotations in order; and suspects.json, the first tenth as such a list.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DIR|scenes")]
    """Data set (see cris data), or scenes, rendered on the fly."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the results, and for the folds' training runs."""
    start: Annotated[str, tyro.conf.arg(name="from", metavar="MODEL")] = DEFAULT_MODEL
    """Model to finetune: registered name or checkpoint folder, best one not trained on this data."""
    split: str = "train"
    """Part of the data whose annotations are judged."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Judge, and learn from, the first N samples only; a sample is a sentence about an image."""
    folds: int = 3
    """Parts that the images are dealt to; as many models are trained."""
    steps: int = 100
    """Optimiser steps of each model, 32 sentences each; 0 trains none and judges everything by MODEL."""
    show: Annotated[int, tyro.conf.arg(metavar="N")] = 200
    """Suspects on the page, the most suspicious ones."""
    plant: float = 0.0
    """Share of wrong labels to plant, of scenes only, 0 to 1: the command then tells how many it finds."""
    seed: int = 0
    """Seed of folds and training."""
    device: Literal["cpu", "cuda", "auto"] = "auto"
    """Device to train and judge on; auto takes the fastest that is there."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Train, judge, rank and write."""
        from cris.studies import audit

        found = audit(
            self.data,
            out=self.out,
            start=self.start,
            split=self.split,
            limit=self.limit,
            folds=self.folds,
            steps=self.steps,
            show=self.show,
            plant=self.plant,
            seed=self.seed,
            device=self.device,
            overwrite=self.overwrite,
        )
        report(found, as_json=self.as_json)
        return 0
