"""Measures on Scenes what the presence head gives, where a third of the sentences mean nothing.

python -m benchmarks.presence_on_scenes --out runs/presence

Another third mean several things. The model of scenes is trained further with the head and without it, alike
in all else, from several seeds; thresholds are chosen on val, figures are of test. What is there already is
not done again. Prints the table of docs/evaluation.md; a run takes a few minutes of one core.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import tyro

from cris import open_dataset, train
from cris.data.scenes import SceneKnobs
from cris.data.sources.scenes import SceneSet
from cris.data.store.manifest import MANIFEST
from cris.data.store.writing import write_dataset
from cris.evaluation.ask import ask
from cris.evaluation.metrics import summarise
from cris.evaluation.rows import Row
from cris.evaluation.threshold import choose_threshold
from cris.files import atomic_file
from cris.model.config import InferenceConfig
from cris.prediction import cut_of
from cris.registry import SCENES_MODEL
from cris.segmenter import Segmenter
from cris.training.state import last_checkpoint

KNOBS = SceneKnobs(no_target=1 / 3, several_targets=1 / 3)
COUNTS = {"train": 2000, "val": 150, "test": 300}
"""Images of each split, each with nine sentences."""
METRICS = ("n_acc", "t_acc", "giou", "ciou")
WITH, UNUSED, WITHOUT, PEAK = (
    "with the head",
    "the same weights, the head not used",
    "without the head: nothing where the mask is empty",
    "without the head, by the least peak chosen on val",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measures what the presence head gives on Scenes."""

    out: Path
    """Folder of data and runs."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One pair of runs for each."""
    steps: int = 150
    """Optimiser steps of a run."""
    images: int = 6
    """Images of a step, each with eight sentences."""
    input_size: int = 128
    """Side of the model's input, in pixels."""
    learning_rate: float = 6e-4
    presence_weight: float = 0.5
    """Weight of the presence loss."""


def main() -> None:
    """Train and measure every run, then print the table."""
    options = tyro.cli(Options)
    for split, count in COUNTS.items():
        write(options.out / split, split, count)
    figures: dict[str, list[dict[str, float]]] = {}
    for seed in options.seeds:
        for name, one in {**figures_of(options, seed, heads=4), **figures_of(options, seed, heads=0)}.items():
            figures.setdefault(name, []).append(one)
    print("| model | N-acc | T-acc | gIoU | cIoU | gIoU of each seed |")
    print("|---|---|---|---|---|---|")
    for name, several in figures.items():
        means = " | ".join(f"{mean(one[metric] for one in several):.3f}" for metric in METRICS)
        each = ", ".join(f"{one['giou']:.3f}" for one in several)
        print(f"| {name} | {means} | {each} |")


def write(folder: Path, split: str, count: int) -> None:
    """Write scenes as `cris data scenes --no-target-share … --several-targets-share …` does."""
    if (folder / MANIFEST).is_file():
        return
    scenes = SceneSet(counts={split: count}, sentences=9, seed=0, size=160, knobs=KNOBS)
    write_dataset(folder, scenes.records, scenes.source, command="presence_on_scenes", is_resuming=True)


def figures_of(options: Options, seed: int, *, heads: int) -> dict[str, dict[str, float]]:
    """Return the figures of a run, trained and measured unless it was before."""
    run = options.out / f"{'with' if heads else 'without'}-{seed}"
    file = run / "presence.json"
    if not file.is_file():
        fit(options, run, seed, heads)
        with atomic_file(file) as partial:
            partial.write_text(json.dumps(measure(options.out, last_checkpoint(run)), indent=2))
    return json.loads(file.read_text())


def fit(options: Options, run: Path, seed: int, heads: int) -> None:
    """Train the model of scenes further, as `cris train finetune --from cris-scenes` does."""
    train(
        "finetune",
        start=SCENES_MODEL,
        data=options.out / "train",
        out=run,
        resume=True,
        seed=seed,
        steps=options.steps,
        device="cpu",
        model={"presence_heads": heads},
        inference={"input_size": options.input_size},
        sampling={"pictures": options.images, "sentences": 8},
        objectives={"presence_weight": options.presence_weight if heads else 0.0},
        optimizer={"learning_rate": options.learning_rate},
        schedule={"warmup_steps": 15},
        validation={"data": str(options.out / "val"), "every": options.steps, "samples": 100},
    )


def measure(data: Path, checkpoint: Path) -> dict[str, dict[str, float]]:
    """Return the figures on test of each way to use the model, by thresholds that val chose."""
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    choice = choose_threshold(segmenter, open_dataset(data / "val", "val").images())
    chosen = choice.applied_to(segmenter.inference)
    alone = {threshold: iou for (threshold, share), iou in choice.mean_ious.items() if share == 1}
    plain = replace(segmenter.inference, threshold=max(alone, key=alone.__getitem__))
    has_head = chosen.presence_threshold > 0
    ways = {WITH: chosen, UNUSED: plain} if has_head else {WITHOUT: plain, PEAK: chosen}
    rows: dict[str, list[Row]] = {name: [] for name in ways}
    for name, row in measured(segmenter, data, ways):
        rows[name].append(row)
    thresholds = {
        name: {
            "threshold": way.threshold,
            "relative_threshold": way.relative_threshold,
            "presence_threshold": way.presence_threshold,
            "peak_threshold": way.peak_threshold,
        }
        for name, way in ways.items()
    }
    return {name: summarise(several).to_dict() | thresholds[name] for name, several in rows.items()}


def measured(
    segmenter: Segmenter, data: Path, ways: Mapping[str, InferenceConfig]
) -> Iterator[tuple[str, Row]]:
    """Yield the row of every sentence of test by the thresholds of each way; the model answers once."""
    for answer in ask(segmenter, open_dataset(data / "test", "test").images()):
        for name, way in ways.items():
            prediction = replace(
                answer.prediction,
                peak_threshold=way.peak_threshold,
                presence_threshold=way.presence_threshold,
            )
            cut = cut_of(prediction.peak, way.threshold, way.relative_threshold)
            yield name, answer.row(prediction.at_threshold(cut), keeps_mask=False)


if __name__ == "__main__":
    main()
