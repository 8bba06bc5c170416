"""Steps from prepared data to a model card: share of a recipe to run, splits to measure, text of the card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.data.annotations.selection import DOUBTFUL
from cris.data.store.manifest import Manifest
from cris.environment import in_one_line
from cris.evaluation.metrics import headlines
from cris.pages import fill
from cris.training.config import TrainConfig

LEAST_SAMPLES = 8
"""Least samples of each split that a rehearsal measures."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts of a reproduction for its model card."""

    config: TrainConfig
    """Configuration that was trained, its length known."""
    scale: float
    """Share of the recipe's steps and samples; less than 1 is a rehearsal."""
    data: Mapping[str, Manifest]
    """Name → data set that was learned from."""
    records: Sequence[Mapping[str, Any]]
    """Records of `cris eval`, one for each split."""
    table: str
    """Table of the same figures beside the paper's, as Markdown."""
    commands: Sequence[str]
    """Commands that were run, in order."""


def measured_splits(manifest: Manifest) -> dict[str, int]:
    """Return splits to measure on → sentences in each: not train, nor what a review found wrong."""
    return {
        name: counts.sentences
        for name, counts in manifest.splits.items()
        if name != "train" and not name.endswith(DOUBTFUL) and counts.sentences
    }


def rehearsed(count: int, scale: float, least: int) -> int:
    """Return that share of steps or samples, but not less than `least` of them."""
    return min(count, max(least, round(scale * count)))


def write_model(source: Path, target: Path, card: Card) -> None:
    """Put a checkpoint into the folder `target`, with its card."""
    checkpoint = load_checkpoint(source)
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters()) / 1e6
    text = fill(
        "studies/card.md.jinja",
        card=card,
        metrics=headlines(card.records[0]),
        config=card.config,
        parameters=parameters,
        inference=checkpoint.inference,
        measured_with=in_one_line(card.records[0]["environment"]),
    )
    parts = (target, checkpoint.model, checkpoint.tokenizer, checkpoint.inference)
    save_checkpoint(*parts, card=f"{text}\n", overwrite=True)
