"""Measures on Scenes what the presence head gives, where a third of the sentences mean nothing.

python -m benchmarks.presence_on_scenes --out runs/presence

Another third mean several things. The head learns alone on the weights of the model of scenes, which never
met such sentences; with `--joint` all weights learn, once with the head and once without it, alike in all
else; with `--joint --no-target ignored` masks do not learn what is absent, so that it is left to the head,
and the same weights without it are the model to compare with. Thresholds are chosen on val, figures are of
test. What is there already is not done again. Prints the table of docs/benchmarks.md; a run takes a minute of
one core, a joint one five.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any, Literal

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

KNOBS = SceneKnobs(no_target=0.3334, several_targets=0.3333)
COUNTS = {"train": 4000, "val": 300, "test": 300}
"""Images of each split, each with nine sentences."""
METRICS = ("n_acc", "t_acc", "giou", "ciou")
WITH, UNUSED, WITHOUT, PEAK = (
    "with the head",
    "the same weights, the head not used: nothing where the mask is empty",
    "without the head: nothing where the mask is empty",
    "without the head: nothing where the peak is below one chosen on val",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Measures what the presence head gives on Scenes."""

    out: Path
    """Folder of data and runs."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run, or one pair of runs, for each."""
    joint: bool = False
    """Train all weights, with the head and without it."""
    no_target: Literal["counted", "ignored"] = "counted"
    """Masks of sentences that mean nothing: learned to be empty, or ignored."""
    steps: int = 70
    """Optimiser steps of a run, each of eight images with eight sentences; 600 for joint ones."""
    input_size: int = 160
    """Side of the model's input, in pixels."""
    emptied: float = 0.88
    """Share of val's sentences about nothing that the presence threshold must empty."""
    limit: int | None = None
    """Choose thresholds on the first so many sentences, and measure twice as many."""


def main() -> None:
    """Train and measure every run, then print the table."""
    options = tyro.cli(Options)
    for split, count in COUNTS.items():
        write(options.out / split, split, count)
    figures: dict[str, list[dict[str, Any]]] = {}
    for seed in options.seeds:
        runs = [4, 0] if options.joint and options.no_target == "counted" else [4]
        for name, one in [pair for heads in runs for pair in figures_of(options, seed, heads).items()]:
            figures.setdefault(name, []).append(one)
    print("| model | N-acc of each seed | T-acc | gIoU | means: N-acc, T-acc, gIoU, cIoU |")
    print("|---|---|---|---|---|")
    for name, several in figures.items():
        each = " | ".join(
            ", ".join(f"{one[metric]:.3f}" for one in several) for metric in ("n_acc", "t_acc", "giou")
        )
        means = ", ".join(f"{mean(one[metric] for one in several):.3f}" for metric in METRICS)
        print(f"| {name} | {each} | {means} |")


def write(folder: Path, split: str, count: int) -> None:
    """Write scenes as `cris data scenes --no-target-share … --several-targets-share …` does."""
    if (folder / MANIFEST).is_file():
        return
    scenes = SceneSet(counts={split: count}, sentences=9, seed=0, size=160, knobs=KNOBS)
    write_dataset(folder, scenes.records, scenes.source, command="presence_on_scenes", is_resuming=True)


def figures_of(options: Options, seed: int, heads: int) -> dict[str, dict[str, Any]]:
    """Return the figures of a run, trained and measured unless it was before."""
    kind = "head" if not options.joint else "joint" if heads else "without"
    run = options.out / f"{kind}{'' if options.no_target == 'counted' else '-ignored'}-{seed}"
    file = run / "presence.json"
    if not file.is_file():
        fit(options, run, seed, heads)
        found = measure(options, last_checkpoint(run), has_head=bool(heads))
        with atomic_file(file) as partial:
            partial.write_text(json.dumps(found, indent=2))
    return json.loads(file.read_text())


def fit(options: Options, run: Path, seed: int, heads: int) -> None:
    """Train the model of scenes further, as `cris train finetune --from cris-scenes` does."""
    weight = (0.5 if options.joint else 1.0) if heads else 0.0
    alone: dict[str, Any] = {} if options.joint else {"freeze_norms": True, "ema_decay": 0.9}
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
        sampling={"pictures": 8, "sentences": 8},
        objectives={"presence_weight": weight, "no_target": options.no_target},
        optimizer={"learning_rate": 6e-4 if options.joint else 3e-3}
        | ({} if options.joint else {"parts": ("presence",)}),
        schedule={"warmup_steps": 20 if options.joint else 5},
        validation={"data": str(options.out / "val"), "every": options.steps, "samples": 20},
        **alone,
    )


def measure(options: Options, checkpoint: Path, *, has_head: bool) -> dict[str, dict[str, Any]]:
    """Return the figures on test of each way to use the model, by thresholds that val chose."""
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    val = open_dataset(options.out / "val", "val", options.limit)
    choice = choose_threshold(segmenter, val.images())
    peak, presence = min(pair for pair, share in choice.emptied.items() if share >= options.emptied)
    chosen = replace(choice.applied_to(segmenter.inference), peak_threshold=peak, presence_threshold=presence)
    alone = {threshold: iou for (threshold, share), iou in choice.mean_ious.items() if share == 1}
    plain = replace(segmenter.inference, threshold=max(alone, key=alone.__getitem__))
    ways = {WITH: chosen, UNUSED: plain} if has_head else {WITHOUT: plain, PEAK: chosen}
    rows: dict[str, list[Row]] = {name: [] for name in ways}
    for name, row in measured(segmenter, options, ways):
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
    segmenter: Segmenter, options: Options, ways: Mapping[str, InferenceConfig]
) -> Iterator[tuple[str, Row]]:
    """Yield the row of every sentence of test by the thresholds of each way; the model answers once."""
    limit = None if options.limit is None else 2 * options.limit
    test = open_dataset(options.out / "test", "test", limit)
    for answer in ask(segmenter, test.images()):
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
