"""The model of scenes, which comes with the package, does its job."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from cris import Segmenter
from cris.checkpoint import load_checkpoint
from cris.cli import main
from cris.data.open import open_dataset
from cris.data.scenes import Scenes
from cris.data.scenes.grammar import STANDARD_KINDS
from cris.evaluation.ask import measure
from cris.evaluation.results import Evaluation
from cris.registry import resolve
from tests.fixtures.plugin import Proof

NAME = "cris-scenes"
MOST_BYTES = 16_000_000


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained(NAME, "cpu")


def test_weights_are_small_and_float16() -> None:
    folder = resolve(NAME)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
    with safe_open(folder / "model.safetensors", "pt") as weights:
        kinds = {name: weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    # BatchNorm's running statistics go beyond what float16 holds
    assert {kind for name, kind in kinds.items() if ".running_" not in name} <= {"F16", "I64"}


def test_card_publishes_what_was_measured_and_how() -> None:
    card = load_checkpoint(resolve(NAME)).card
    assert "cris eval cris-scenes scenes --split test" in card
    assert all(words in card for words in ("IoU", "Pr@50", "eiling"))
    assert all(kind in re.sub("[ -]", "_", card) for kind in STANDARD_KINDS)


def test_standard_test_split_is_answered_as_published(segmenter: Segmenter, prove: Proof) -> None:
    dataset = open_dataset("scenes", "test", prove.count(full=2000, quick=200))
    total = Evaluation(list(measure(segmenter, dataset.images()))).total
    prove.figure(f"{NAME}: mean IoU on {total.count} test scenes", f"{total['mean_iou']:.3f}")
    prove.figure(f"{NAME}: Pr@50", f"{total['pr50']:.3f}")
    prove.figure(f"{NAME}: ceiling", f"{total['ceiling']:.3f}")
    prove.figure(f"{NAME}: AUROC of the score", f"{total['score_auroc']:.3f}")
    card = load_checkpoint(resolve(NAME)).card
    published = re.search(r"^\| all \| 2,?000 \| ([\d.]+) ", card, re.MULTILINE)
    assert published is not None
    # 200 samples are within 0.07 of the whole split: three standard errors
    within = 0.002 if total.count == 2000 else 0.07
    assert total["mean_iou"] == pytest.approx(float(published[1]), abs=within)
    assert total["score_auroc"] is not None
    assert total["score_auroc"] >= 0.75


def test_commands_find_what_they_are_asked_for(tmp_path: Path, prove: Proof) -> None:
    samples = list(itertools.islice(Scenes("test"), prove.count(full=40, quick=12)))
    ious = []
    for place, sample in enumerate(samples):
        Image.fromarray(sample.image).save(tmp_path / f"{place}.png")
        out = tmp_path / str(place)
        asked = [str(tmp_path / f"{place}.png"), sample.sentence, "--model", NAME]
        assert main(["segment", *asked, "--out", str(out)]) == 0
        (entry,) = json.loads((out / "results.json").read_text(encoding="utf-8"))["pictures"]
        mask = np.array(Image.open(out / entry["results"][0]["mask"])) > 0
        ious.append((mask & sample.mask).sum() / (mask | sample.mask).sum())
    assert np.mean(ious) >= 0.35  # of a dozen samples, each found by a command of its own
