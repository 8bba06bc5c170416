"""Makes an embedded model of a finished run: picks thresholds and calibration, measures, writes the card.

python -m tools.release cris-scenes RUN
python -m tools.release cris-photos RUN --data DATA --real REAL --dtype int8

DATA is the data set of `cris data coco` that the run learned from; its split val decides, on --sizes of the
input, too. REAL is a folder with instances.json and images, none of which was trained on: the card's figures
are measured on it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import photographs
from cris.card import model_card
from cris.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cris.cli import main as run_command
from cris.data.dataset import AnnotatedImage, Dataset
from cris.data.open import open_dataset
from cris.data.scenes import SCENES_VERSION
from cris.data.store.manifest import read_manifest
from cris.evaluation import ask
from cris.evaluation.metrics import GOOD_IOU, Summary, card_result
from cris.evaluation.results import Evaluation
from cris.evaluation.threshold import choose_threshold
from cris.letterbox import CELL
from cris.model.config import InferenceConfig
from cris.registry import MODELS
from cris.segmenter import Segmenter
from cris.studies.calibration import answers, fit, reliability
from cris.training.recipes import cris_scenes
from cris.training.state import best_checkpoint, last_checkpoint

CARDS = Path(__file__).parent / "cards"
VALIDATION_SCENES = 500
UNMEASURED = "not measured"
SENTENCES_OF_COCO = "COCO 2017, made sentences"
BASE_MODELS = ("sentence-transformers/all-MiniLM-L6-v2",)
"""Models of the hub that cris-photos begins as; its image encoder comes from a package."""
DATA_SETS = ("coco",)
"""Data sets that it was trained on, as cards on the hub name them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the embedded model's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", choices=("cris-photos", "cris-scenes"))
    parser.add_argument("run", type=Path, help="folder of the run, or a checkpoint")
    parser.add_argument("--before", type=Path, nargs="*", default=[], help="runs that it went on from")
    parser.add_argument("--data", type=Path, help="what the run learned from (cris-photos)")
    parser.add_argument("--real", type=Path, help="folder with instances.json and images (cris-photos)")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="input sizes to choose from")
    parser.add_argument("--every", type=int, default=1, help="choose on each Nth sentence of an image")
    parser.add_argument("--people", default=UNMEASURED, help="in words, how good it is on people's sentences")
    parser.add_argument("--dtype", default="float16", choices=("float32", "float16", "int8"))
    parser.add_argument("--out", type=Path, help="folder to write; by default the one in the package")
    options = parser.parse_args(arguments)
    options.out = options.out or MODELS / options.model
    if options.model == "cris-scenes":
        card = release_scenes(options)
    elif options.data is None or options.real is None:
        parser.error("cris-photos needs --data and --real")
    else:
        card = release_photos(options)
    print(card)


def release_scenes(options: argparse.Namespace) -> str:
    """Choose and measure on scenes; return the card."""
    checkpoint = load_run(options.run)
    inference = choose(
        checkpoint,
        open_dataset("scenes", "val", VALIDATION_SCENES).images(),
        open_dataset("scenes", "val").images(),
    )
    save(options, checkpoint, inference)
    measured = measure(options.out, open_dataset("scenes", "test"))
    recipe = cris_scenes()
    rows = [("all", measured.total), *measured.kinds.items()]
    card = (
        (CARDS / "cris-scenes.md")
        .read_text(encoding="utf-8")
        .format(
            **common_fields(checkpoint, inference, measured),
            validation=VALIDATION_SCENES,
            calibrated=len(open_dataset("scenes", "val")),
            version=SCENES_VERSION,
            images=recipe.sampling.pictures,
            sentences=recipe.sampling.sentences,
            rows=table(rows, ("mean_iou", "overall_iou", "pr50", "pr70", "pr90", "ceiling")),
        )
    )
    results = [card_result("scenes", "test", measured.total.figures)]
    card = model_card(card, name=options.model, results=results)
    save(options, checkpoint, inference, card)
    return card


def release_photos(options: argparse.Namespace) -> str:
    """Choose on the split val of what was learned from, measure on other photographs; return the card."""
    checkpoint = load_run(options.run)
    validation = [thinned(each, options.every) for each in open_dataset(options.data, "val").images()]
    checkpoint = replace(checkpoint, inference=best_size(checkpoint, validation, options.sizes))
    inference = choose(checkpoint, validation, validation)
    save(options, checkpoint, inference)
    with tempfile.TemporaryDirectory() as folder:
        test = made_sentences(options.real, Path(folder) / "data")
        measured = measure(options.out, test)
        asked = ask_words(options.out, options.real, Path(folder) / "figures.json")
    runs = [
        json.loads((each / "config.json").read_text(encoding="utf-8"))
        for each in (*options.before, options.run)
    ]
    longest = max(runs, key=lambda run: run["steps"])
    frozen = min(run["optimizer"]["frozen_image_blocks"] for run in runs)
    splits = read_manifest(options.data).splits
    interval = measured.intervals["mean_iou"]
    areas = [(group.name, group.summary) for group in measured.breakdowns["area"]]
    columns = ("mean_iou", "pr50", "pr70", "pr90", "ceiling")
    presence, held_out = asked["presence"], asked["held_out"]
    model = checkpoint.model
    card = (
        (CARDS / "cris-photos.md")
        .read_text(encoding="utf-8")
        .format(
            **common_fields(checkpoint, inference, measured),
            dtype={"int8": "int8 (text encoder) and float16"}.get(options.dtype, options.dtype),
            words=inference.sentence_length - 2,
            relative_threshold=inference.relative_threshold,
            peak_threshold=inference.peak_threshold,
            presence_threshold=inference.presence_threshold,
            val_sentences=sum(len(each.references) for each in validation),
            val_photographs=len(validation),
            blocks=len(list(model.image_encoder.blocks)),
            learning_blocks=len(list(model.image_encoder.blocks)) - frozen,
            vocabulary=model.config.text.vocabulary,
            train_photographs=splits["train"].pictures,
            train_sentences=splits["train"].sentences,
            steps=sum(steps_of(each) for each in (*options.before, options.run)),
            runs="one run" if not options.before else f"{1 + len(options.before)} runs, each from the last",
            images=longest["sampling"]["pictures"],
            sentences=longest["sampling"]["sentences"],
            hours=sum(hours_of(each) for each in (*options.before, options.run)),
            photographs=sum(1 for _ in test.images()),
            rows=table([*areas, ("all", measured.total)], columns),
            kinds=table(list(measured.kinds.items()), columns),
            low=interval.low,
            high=interval.high,
            present=presence["present"],
            absent=presence["absent"],
            presence_auroc=presence["presence_auroc"],
            absent_empty=100 * presence["absent_empty"],
            present_empty=100 * presence["present_empty"],
            held_out=held_out["mean_iou"],
            trained=held_out["trained_mean_iou"],
            people=options.people,
        )
    )
    results = [card_result(SENTENCES_OF_COCO, "test", measured.total.figures)]
    card = model_card(card, name=options.model, base_models=BASE_MODELS, datasets=DATA_SETS, results=results)
    save(options, checkpoint, inference, card)
    return card


def load_run(run: Path) -> Checkpoint:
    """Return the checkpoint of a run that validated best, else its last one, else the folder as one."""
    folders = (best_checkpoint(run), last_checkpoint(run), run)
    return load_checkpoint(next(folder for folder in folders if folder.is_dir()))


def thinned(image: AnnotatedImage, every: int) -> AnnotatedImage:
    """Return the image with each Nth of its sentences."""
    return replace(image, references=image.references[::every])


def best_size(
    checkpoint: Checkpoint, examples: Sequence[AnnotatedImage], sizes: Sequence[int]
) -> InferenceConfig:
    """Return the checkpoint's way to be asked with the input size that has the highest gIoU on examples.

    Without sizes to choose from it stays.
    """
    found: dict[int, float] = {}
    for size in sizes:
        inference = replace(checkpoint.inference, input_size=size)
        segmenter = Segmenter(checkpoint.model, checkpoint.tokenizer, inference, device="cpu")
        choice = choose_threshold(segmenter, examples)
        found[size] = choice.best_giou or max(choice.mean_ious.values())
        print(f"input of {size} pixels: gIoU {found[size]:.3f} on validation", file=sys.stderr, flush=True)
    best = max(found, key=lambda size: found[size], default=checkpoint.inference.input_size)
    return replace(checkpoint.inference, input_size=best)


def choose(
    checkpoint: Checkpoint, examples: Iterable[AnnotatedImage], calibrating: Iterable[AnnotatedImage]
) -> InferenceConfig:
    """Return the checkpoint's way to be asked with thresholds and a calibration chosen on examples."""
    inference = checkpoint.inference
    segmenter = Segmenter(checkpoint.model, checkpoint.tokenizer, inference, device="cpu")
    choice = choose_threshold(segmenter, examples)
    inference = choice.applied_to(inference)
    chosen = Segmenter(segmenter.engine, checkpoint.tokenizer, inference)
    return replace(inference, calibration=fit(*answers(chosen, calibrating, is_raw=True)))


def save(
    options: argparse.Namespace, checkpoint: Checkpoint, inference: InferenceConfig, card: str = ""
) -> None:
    """Write the folder; what is measured is what was stored."""
    parts = (options.out, checkpoint.model, checkpoint.tokenizer, inference)
    save_checkpoint(*parts, card=card, dtype=options.dtype, overwrite=True)


def measure(model: Path, dataset: Dataset) -> Evaluation:
    """Return how good the stored model is."""
    return Evaluation(list(ask.measure(Segmenter.from_pretrained(model, "cpu"), dataset.images())))


def made_sentences(real: Path, folder: Path) -> Dataset:
    """Return the photographs with the sentences that `cris data coco` makes by itself."""
    files = ["--instances", str(real / "instances.json"), "--images", str(real / "images")]
    if run_command(["data", "coco", *files, "--split-shares", "0", "0", "1", "--out", str(folder)]):
        raise SystemExit(1)
    return open_dataset(folder, "test")


def ask_words(model: Path, real: Path, file: Path) -> dict[str, Any]:
    """Return what `benchmarks.photographs` measures: absent things, and words that are new."""
    photographs.main(["--model", str(model), "--data", str(real), "--json", str(file), "--device", "cpu"])
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def common_fields(
    checkpoint: Checkpoint, inference: InferenceConfig, measured: Evaluation
) -> dict[str, object]:
    """Return what every card says."""
    scores = np.array([row.score for row in measured.rows])
    ious = np.array([row.iou for row in measured.rows])
    return {
        "parameters": sum(parameter.numel() for parameter in checkpoint.model.parameters()) / 1e6,
        "size": inference.input_size,
        "cells": inference.input_size // CELL,
        "threshold": inference.threshold,
        "ece": reliability(scores, ious > GOOD_IOU).ece,
        "count": measured.total.count,
        "mean_iou": measured.total["mean_iou"],
        "good": 100 * (measured.total["pr50"] or 0.0),
        "auroc": measured.total["score_auroc"],
    }


def logged(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics that tell its speed."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if "samples_per_second" in row]


def steps_of(folder: Path) -> int:
    """Return how many steps a run took, to its last line of metrics."""
    return max(int(row["step"]) for row in logged(folder))


def hours_of(folder: Path) -> float:
    """Return how long a run's steps took, by the speed in its metrics."""
    run = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    samples = run["log_every"] * run["sampling"]["pictures"] * run["sampling"]["sentences"]
    return float(sum(samples / row["samples_per_second"] for row in logged(folder)) / 3600)


def table(rows: Sequence[tuple[str, Summary]], columns: Sequence[str]) -> str:
    """Return lines of a Markdown table: name, samples, figures."""
    return "\n".join(
        f"| {name} | {one.count} | " + " | ".join(f"{one[column]:.3f}" for column in columns) + " |"
        for name, one in rows
    )


if __name__ == "__main__":
    main()
