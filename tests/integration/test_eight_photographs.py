"""The documented commands learn eight photographs by heart, which shows that training on real ones works."""

import json
import shutil
from pathlib import Path

from cris.cli import main

EIGHT = (121647, 160012, 213148, 229358, 294920, 358083, 401416, 547336)
"""Ids in COCO: several things each that sentences can be made about, all larger than 32×32 pixels."""


def test_finetuning_learns_eight_photographs(prove, shared_real: Path, tmp_path: Path):
    images, data, run, results = (tmp_path / name for name in ("pictures", "eight", "run", "results"))
    images.mkdir()
    for number in EIGHT:
        shutil.copy(shared_real / "images" / f"{number:012}.jpg", images)
    instances = shared_real / "instances.json"
    make = ["data", "coco", "--instances", f"{instances}", "--images", f"{images}", "--out", f"{data}"]
    assert main([*make, "--skip-missing", "--split-shares", "1", "0", "0"]) == 0
    steps, size, least = (
        prove.count(full=full, quick=quick) for full, quick in ((200, 24), (416, 160), (80, 40))
    )
    train = ["train", "finetune", "--from", "cris-scenes", "--data", f"{data}", "--out", f"{run}"]
    length = [
        "--steps",
        f"{steps}",
        "--schedule.warmup-steps",
        f"{steps // 4}",
        "--optimizer.learning-rate",
        "1e-3",
    ]
    sampling = [
        "--inference.input-size",
        f"{size}",
        "--sampling.pictures",
        "4",
        "--validation.split",
        "train",
    ]
    if not prove.is_full:  # the figure is that of the evaluation below
        sampling += ["--validation.samples", "8"]
    assert main([*train, *length, *sampling, "--validation.every", f"{steps}"]) == 0
    assert (
        main(["eval", f"{run}/checkpoints/last", f"{data}", "--split", "train", "--out", f"{results}"]) == 0
    )
    found = json.loads((results / "_results.json").read_text())
    figure = f"{found['mean_iou']:.3f} (ceiling {found['ceiling']:.3f})"
    prove.figure(f"mean IoU on eight photographs at {size} after {steps} steps", figure)
    assert found["mean_iou"] >= least / 100
