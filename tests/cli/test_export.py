"""`cris export`, with the tiny model."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from cris import Segmenter
from cris.demo.photographs import photographs
from cris.errors import InputError
from cris.export import check
from cris.export.samples import CROPS
from tests.cli.conftest import Cris


@pytest.fixture
def export(cris: Cris, checkpoint: Path, traces: None) -> Cris:
    def run(*arguments: str) -> object:
        return cris("export", checkpoint, "--out", "exported", *arguments)

    return run


def test_an_export_is_a_model_for_other_commands(export: Cris, cris: Cris, image: Path) -> None:
    told = json.loads(export("--format", "pt2", "--json").out)
    assert told == json.loads(Path("exported/results.json").read_text())
    files = ["README.md", "config.json", "export.json", "picture.pt2", "sentence.pt2", "tokenizer.json"]
    assert sorted(told["files"]) == files
    assert {*files, "results.json"} == {path.name for path in Path("exported").iterdir()}
    assert told["differences"].keys() == {"1", "3"}
    outcome = export("--format", "pt2")  # the same job may run again over its own results
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [f"exported/{name}" for name in files]
    assert "at batch 1" in lines[-1]
    assert "at batch 3" in lines[-1]
    found = cris("segment", image, "the red ring", "--model", "exported", "--out", "out")
    assert found.code == 0, found.err
    assert Segmenter.from_pretrained("exported").inference.input_size == 64
    again = export("--format", "onnx")
    assert again.is_short_error()
    assert "another job" in again.err


def test_an_export_that_answers_otherwise_leaves_nothing(export: Cris, monkeypatch) -> None:
    monkeypatch.setattr(check, "LIMITS", {"fp32": 0.0})
    outcome = export("--format", "pt2")
    assert outcome.is_short_error()
    assert "differ from the model's by" in outcome.err
    assert not Path("exported").exists()


def test_what_is_no_export_is_not_mixed_with_one(cris: Cris, checkpoint: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, "model"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for options in ([], ["--overwrite"]):
        outcome = cris("export", folder, "--format", "onnx", "--out", folder, *options)
        assert outcome.is_short_error()
        assert "model holds other things than an export: choose another --out" in outcome.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_precision_that_a_format_does_not_have_is_wrong_use(export: Cris) -> None:
    outcome = export("--format", "onnx", "--precision", "bf16")
    assert outcome.is_short_error(2)
    assert "onnx comes in fp32, int8, got bf16" in outcome.err


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("# A model\n", sum(len(each.asked) + CROPS for each in photographs())),
        ("---\ndomain: rendered scenes\n---\n", 200),
    ],
    ids=["photographs", "scenes"],
)
def test_int8_is_calibrated_with_images_that_the_model_knows(
    cris: Cris, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: str, expected: int
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    (folder / "README.md").write_text(card)
    counts: list[int] = []

    def stop(model: object, config: object, samples: Sequence[object]) -> None:
        counts.append(len(samples))
        raise InputError("stopped before it is quantized")

    monkeypatch.setattr("cris.export.export.calibration_data", stop)
    command = ("export", folder, "--format", "onnx", "--precision", "int8", "--out", "exported")
    assert cris(*command).is_short_error()
    assert cris(*command, "--int8-images", "photographs", "--limit", "5").is_short_error()
    assert counts == [expected, 5]


def test_own_images_need_sentences_to_calibrate_with(export: Cris, image: Path) -> None:
    int8 = ("--format", "onnx", "--precision", "int8", "--int8-images", str(image))
    assert export(*int8).is_short_error(2)
    Path("empty.txt").touch()
    assert "it is empty" in export(*int8, "--sentences", "empty.txt").err
    Path("utf16.txt").write_text("the red ring\n", encoding="utf-16")
    refused = export(*int8, "--sentences", "utf16.txt")
    assert refused.is_short_error()
    assert "utf16.txt must be in UTF-8, it is in UTF-16" in refused.err
    Path("lines.txt").write_text("the red ring\n")
    assert "needs at least 3 samples to calibrate, got 1" in export(*int8, "--sentences", "lines.txt").err
    assert not Path("exported").exists()
