"""Speed on photographs: a whole command, an image with a sentence, and each further sentence, by engine.

python -m benchmarks.photographs_speed [--model MODEL] [--turns 7] [--engines torch-fp32 openvino-int8 …]

Photographs that come with the package, from file to mask. The command is cold but for the disk's cache.
Exports are made once, in a process of their own, and kept. Sentences are new in each turn, so that none is
remembered.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.start_up import time_of
from benchmarks.turns import Prepare, take_turns
from cris.demo.photographs import photographs, sample_image
from cris.engines.export_folder import is_exported
from cris.registry import DEFAULT_MODEL, resolve
from cris.segmenter import Segmenter

ENGINES = ("torch-fp32", "onnx-fp32", "onnx-int8", "openvino-fp32", "openvino-int8")
FURTHER = 8
"""Sentences beside the first, asked of one image."""
LIMITS = {"command": 4.0, "image": 0.25, "sentence": 0.06}
"""Seconds allowed on two cores."""
WORDS = ("person", "dog", "cup", "car", "chair", "bowl", "bird", "train", "plate", "horse", "cat")


def export_of(model: str, engine: str, folder: Path) -> str:
    """Return what to open for that engine: the model, or its export, made when it is not there."""
    format, _, precision = engine.partition("-")
    if format == "torch":
        return model
    out = folder / f"photographs-{engine}"
    if not is_exported(out):
        command = [sys.executable, "-m", "cris", "export", model, "--format", format]
        subprocess.run([*command, "--precision", precision, "--out", str(out)], check=True)
    return str(out)


def prepare(model: str, count: int) -> Callable[[], object]:
    """Return the work of one turn: another photograph, and so many new sentences about it."""
    segmenter = Segmenter.from_pretrained(model, "cpu")
    paths, turn = [each.path for each in photographs()], iter(range(1_000_000))

    def ask() -> object:
        number = next(turn)
        sentences = [f"the {WORDS[(number + place) % len(WORDS)]} {number} {place}" for place in range(count)]
        return segmenter.predict(paths[number % len(paths)], sentences)

    return ask


def seconds_of_command(model: str, runs: int) -> float:
    """Return the median of whole `cris segment` commands."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cris", "segment", str(sample_image()), "the broccoli"]
        command += ["--model", model, "--out", f"{folder}/out", "--overwrite"]
        return statistics.median(time_of(command) for _ in range(runs))


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table for the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--commands", type=int, default=3, help="runs of the whole command")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=[*ENGINES])
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="keeps the exports")
    options = parser.parse_args(argv)
    options.folder.mkdir(parents=True, exist_ok=True)
    resolve(options.model)
    models = {engine: export_of(options.model, engine, options.folder) for engine in options.engines}
    threads = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    print(f"{options.model}, {threads} threads, {options.turns} turns; medians in seconds")
    print("| engine | whole command | image with a sentence | each further sentence |")
    print("|---|---|---|---|")
    limits = " | ".join(f"{limit:.2f}" for limit in LIMITS.values())
    print(f"| at most | {limits} |")
    works: dict[str, Prepare] = {
        f"{engine}, {count}": partial(prepare, model, count)
        for engine, model in models.items()
        for count in (1, 1 + FURTHER)
    }
    measured = take_turns(works, options.turns)
    for engine, model in models.items():
        one, many = (measured[f"{engine}, {count}"].seconds for count in (1, 1 + FURTHER))
        further = statistics.median(more - less for less, more in zip(one, many, strict=True)) / FURTHER
        command = seconds_of_command(model, options.commands)
        print(f"| {engine} | {command:.2f} | {statistics.median(one):.3f} | {further:.3f} |", flush=True)


if __name__ == "__main__":
    main()
