"""Fine-tuning on N images from the default model, from that of scenes, and from nothing, alike in steps.

python -m benchmarks.finetune_curve --train DIR --test DIR [--images N …] [--steps N]

Both are data sets of `cris data`: N images of the first one are learned from, a tenth of them to validate on,
and the second one's split test is measured. Neither may hold what the default model was trained on, or its
figures flatter. From nothing means the default model's sizes with fresh weights, all of which learn.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np
import tyro

from cris.config_file import StoredConfig
from cris.data.dataset import Dataset
from cris.data.open import open_dataset
from cris.data.records import ImageRecord
from cris.data.store.manifest import SourceInfo
from cris.data.store.reading import StoredDataset
from cris.data.store.writing import write_dataset
from cris.evaluation import ask
from cris.evaluation.results import Evaluation
from cris.registry import DEFAULT_MODEL, SCENES_MODEL
from cris.segmenter import Segmenter
from cris.training.config import TrainConfig
from cris.training.loop import fit
from cris.training.recipes import finetune
from cris.training.setup import build_model, find_initial_weights, gather_setup
from cris.training.state import best_checkpoint

Device = Literal["cpu", "cuda", "auto"]
NOTHING = "nothing"
VALIDATION_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measures what fine-tuning gives, by the number of images."""

    train: Path
    """Data set to learn from."""
    split: str = "train"
    """Part of it."""
    test: Path
    """Data set whose split test is measured."""
    images: tuple[int, ...] = (20, 100, 500)
    """Numbers of images."""
    starts: tuple[str, ...] = (DEFAULT_MODEL, SCENES_MODEL, NOTHING)
    """Models to begin with; nothing stands for fresh weights."""
    steps: int = 300
    """Optimiser steps of each run, of 32 sentences."""
    input_size: int | None = None
    """Side of every model's input in pixels; that of the first start by default, so that all draw alike."""
    limit: int | None = None
    """Measure on the first so many sentences only."""
    seed: int = 0
    """Decides which images are learned from."""
    device: Device = "auto"
    """cpu, cuda."""
    json: Path | None = None
    """Write the figures to this file, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and measure every combination; print a Markdown table."""
    options = tyro.cli(Options, args=arguments)
    dataset = open_dataset(options.test, "test", options.limit)
    size = options.input_size or Segmenter.from_pretrained(options.starts[0], "cpu").inference.input_size
    figures: dict[str, dict[str, float]] = {"0": {}}
    for start in options.starts:
        if start != NOTHING:
            figures["0"][start] = measure(start, dataset, options.device)
    with tempfile.TemporaryDirectory() as folder:
        for count in options.images:
            data = Path(folder) / f"data-{count}"
            take(options.train, options.split, count, options.seed, data)
            figures[str(count)] = {}
            for start in options.starts:
                begun = perf_counter()
                run = Path(folder) / f"{len(figures)}-{options.starts.index(start)}"
                learn(start, data, size, options, run)
                figures[str(count)][start] = measure(best_checkpoint(run), dataset, options.device)
                minutes = (perf_counter() - begun) / 60
                print(
                    f"{count} images from {start}: {figures[str(count)][start]:.3f} ({minutes:.1f} minutes)",
                    file=sys.stderr,
                )
    print(table(figures, options.starts))
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return 0


def take(source: Path, part: str, count: int, seed: int, out: Path) -> None:
    """Write a data set of some images of a split, a tenth of which become its split val, the others train.

    Raises:
        SystemExit: there are not as many images.
    """
    stored = StoredDataset(source)
    places = np.unique(stored.samples(part).image)
    if not 2 <= count <= len(places):
        raise SystemExit(f"expected 2 to the {len(places)} images of {source}, {part}, got {count}")
    chosen = np.random.default_rng(seed).permutation(places)[:count]
    validated = set(chosen[: max(1, round(VALIDATION_SHARE * count))].tolist())

    def records(done: int) -> Iterator[ImageRecord]:
        for place in islice(sorted(chosen.tolist()), done, None):
            record = stored.image(place)
            split = "val" if place in validated else "train"
            kept = tuple(replace(entry, split=split) for entry in record.entries if entry.split == part)
            yield replace(record, entries=kept)

    digest = hashlib.sha256(f"{stored.manifest.fingerprint} {sorted(chosen.tolist())}".encode()).hexdigest()
    write_dataset(out, records, SourceInfo(kind="coco", options={"part": digest}), command="finetune_curve")


def learn(start: str, data: Path, size: int, options: Options, out: Path) -> None:
    """Run the recipe `finetune` as `cris train` does; from nothing, everything is fresh and learns."""
    begun = find_initial_weights(DEFAULT_MODEL if start == NOTHING else start)
    checkpoint = begun.checkpoint
    assert checkpoint is not None
    stored = StoredConfig(model=checkpoint.model.config, inference=checkpoint.inference)
    config = sized(finetune(stored), size, options)
    if start == NOTHING:
        config = replace(
            config,
            freeze_encoder_norms=False,
            optimizer=replace(
                config.optimizer, frozen_image_blocks=0, freeze_text=False, backbone_factor=1.0
            ),
        )
    setup = gather_setup([str(data)], config, begun)
    config = replace(config, data=setup.fingerprints, start=start)
    fit(config, build_model(config, None if start == NOTHING else begun), setup, out)


def sized(config: TrainConfig, size: int, options: Options) -> TrainConfig:
    """Return the recipe with the benchmark's length and input, validated at its end."""
    return replace(
        config,
        steps=options.steps,
        checkpoint_every=options.steps,
        keep=0,
        device=options.device,
        inference=replace(config.inference, input_size=size),
        schedule=replace(config.schedule, warmup_steps=min(50, options.steps // 4)),
        validation=replace(config.validation, every=max(1, options.steps // 2)),
    )


def measure(model: str | Path, dataset: Dataset, device: str) -> float:
    """Return the mean IoU."""
    rows = list(ask.measure(Segmenter.from_pretrained(model, device), dataset.images()))
    mean = Evaluation(rows).total["mean_iou"]
    assert mean is not None
    return mean


def table(figures: dict[str, dict[str, float]], starts: Sequence[str]) -> str:
    """Return the figures as Markdown: a row for each number of images."""
    lines = [
        f"| images | {' | '.join(f'from {start}' for start in starts)} |",
        "|---" * (1 + len(starts)) + "|",
    ]
    for count, found in figures.items():
        cells = (f"{found[start]:.3f}" if start in found else "–" for start in starts)
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
