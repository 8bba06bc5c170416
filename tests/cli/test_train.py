"""`cris train` before anything is trained: help, recipes, configurations as files, what a run would need."""

import dataclasses
import json
from pathlib import Path

import pytest

from cris.cli.train import parse
from cris.config_file import to_json
from cris.training.recipe_choice import all_names
from cris.training.recipes import FINETUNE, RECIPES
from tests.cli.conftest import Cris

TINY = (
    *("--model.image.layers", "1", "1", "1", "1", "--model.image.width", "8", "--model.text.layers", "1"),
    *("--model.text.width", "64", "--model.joint-dim", "64", "--model.neck.fine", "16"),
    *("--model.neck.middle", "32", "--model.neck.coarse", "32", "--model.decoder.layers", "1"),
    *("--model.decoder.ffn", "32", "--model.projector.hidden", "16", "--model.projector.dim", "8"),
    *("--inference.input-size", "64", "--precision", "fp32", "--device", "cpu"),
)


@pytest.mark.parametrize("recipe", ["refcoco-rn50-modern", "cris-photos", "cris-scenes", FINETUNE])
def test_help_never_fails(recipe: str, cris: Cris) -> None:
    outcome = cris("train", recipe, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "--sampling.pictures" in outcome.out
    assert "subcommands" not in outcome.out


@pytest.mark.parametrize("start", ["", "none", "RN50"])
def test_help_of_finetune_shows_the_default_model_where_there_is_none(start: str, cris: Cris) -> None:
    outcome = cris("train", FINETUNE, *(["--from", start] if start else []), "--help")
    assert outcome.code == 0
    assert "--model.decoder.layers" in outcome.out


def test_help_of_finetune_shows_the_model_s_own_sizes(cris: Cris, checkpoint: Path) -> None:
    shown = " ".join(cris("train", FINETUNE, "--from", checkpoint, "--help").out.split())
    assert "--inference.input-size INT" in shown
    assert "(default: 64)" in shown


@pytest.mark.parametrize("start", ["RN50", "RN50.pt"])
def test_clip_s_weights_name_their_converter_before_anything_is_fetched(
    start: str, cris: Cris, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise AssertionError("downloaded")

    monkeypatch.setattr("cris.registry.download", fetch)
    (tmp_path / "RN50.pt").touch()
    outcome = cris("train", FINETUNE, "--from", start, "--data", "data", "--out", "out")
    assert outcome.is_short_error(2)
    assert f"cris convert clip {start} --out DIR" in outcome.err


def test_what_is_printed_goes_back_in(cris: Cris, tmp_path: Path) -> None:
    for name in (*RECIPES, FINETUNE):
        start = ("--from", "cris-scenes") if name == FINETUNE else ()
        printed = cris("train", name, *start, "--seed", "5", "--print-config").out
        (tmp_path / "x.json").write_text(printed)
        again = cris("train", "--config", "x.json", "--print-config")
        assert (again.code, again.out) == (0, printed)
    changed = json.loads(cris("train", name, "--config=x.json", "--seed", "6", "--print-config").out)
    assert changed == json.loads(printed) | {"seed": 6}


def test_the_config_of_a_run_goes_in_as_it_stands(tmp_path: Path) -> None:
    config = dataclasses.replace(
        RECIPES["scenes-tiny-modern"](), data=("scenes 2",), start_sha256="x", steps=7, max_steps=3
    )
    file = tmp_path / "config.json"
    file.write_text(json.dumps(to_json(config) | {"environment": {"torch": "2.6"}}))
    read = parse("cris train", ["--config", str(file)]).config
    assert read == dataclasses.replace(config, data=(), start_sha256="")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "must be JSON as cris train --print-config prints it"),
        ("[]", "must be what cris train --print-config prints"),
        ('{"schema_version": 3}', "must be what cris train --print-config prints"),
        ('{"recipe": "x"}', "missing keys"),
    ],
)
def test_other_files_are_no_configuration(content: str, told: str, cris: Cris, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    outcome = cris("train", "--config", "x.json", "--print-config")
    assert outcome.is_short_error()
    assert told in outcome.err


def test_a_configuration_of_another_recipe_is_refused(cris: Cris, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(cris("train", "cris-scenes", "--print-config").out)
    outcome = cris("train", "scenes-tiny-fixed", "--config", "x.json", "--out", "out")
    assert outcome.is_short_error(2)
    assert "x.json is of the recipe cris-scenes, not scenes-tiny-fixed" in outcome.err


def test_a_dry_run_needs_neither_weights_nor_data(
    cris: Cris, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise AssertionError("downloaded")

    monkeypatch.setattr("cris.registry.download", fetch)
    outcome = cris("train", "refcoco-rn50-fixed", "--dry-run", *TINY)
    assert outcome.code == 0, outcome.err
    assert "33,128 steps take about" in outcome.out  # 50 epochs of RefCOCO's 42,404 objects, 64 a step
    assert "with 64 images at a time in each process" in outcome.out
    unknown = cris("train", "refcoco-union-rn50-modern", "--dry-run", *TINY).out
    assert "how many steps there are follows from the data: name it with --data" in unknown
    assert sorted(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_cannot_fit(cris: Cris, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cris.training.dry_run._device_memory", lambda device: 0.01)
    outcome = cris("train", "scenes-tiny-fixed", "--dry-run", *TINY)
    assert outcome.code == 1
    assert "GB of 0.0 GB with 16 images at a time" in outcome.out
    assert "GB are needed in each process, 0 GB are there with 16 × 1 sentences a step" in outcome.err
    assert outcome.err.count("\n") == 1


def test_no_recipe_is_listed_that_is_not_there() -> None:
    names = all_names()
    assert all(name in names for name in ("cris-photos", "cris-scenes", FINETUNE, "refcocog-umd"))
