import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cris import registry
from cris.registry import ENTRIES
from tests.cli.conftest import Cris

FIELDS = {"name", "kind", "size", "licence", "is_here", "description"}


def test_table_names_every_model(cris: Cris) -> None:
    outcome = cris("models")
    assert (outcome.code, outcome.err) == (0, "")
    for entry in ENTRIES:
        (line,) = (line for line in outcome.out.splitlines() if f" {entry.name} " in line)
        assert f" {entry.kind} " in line
        assert f" {entry.licence} " in line


def test_json_tells_size_and_place(cris: Cris, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "RN50.pt").touch()
    listed = {model["name"]: model for model in json.loads(cris("models", "--json").out)}
    assert listed.keys() == {entry.name for entry in ENTRIES}
    assert all(model.keys() == FIELDS for model in listed.values())
    assert (listed["RN50"]["is_here"], listed["RN101"]["is_here"]) == (True, False)
    assert listed["RN50"]["size"] == 255_827_503


def test_model_of_the_package_has_the_size_of_its_files(
    cris: Cris, checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MODELS", checkpoint.parent)
    monkeypatch.setattr("cris.cli.models.ENTRIES", [replace(ENTRIES[0], name="tiny")])
    (model,) = json.loads(cris("models", "--json").out)
    assert model["is_here"]
    assert model["size"] == sum(path.stat().st_size for path in checkpoint.iterdir())


def test_a_card_says_what_a_model_is(
    cris: Cris, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(checkpoint, tmp_path / "models" / "tiny")
    (tmp_path / "models" / "tiny" / "README.md").write_text("---\nsummary: Knows nothing.\n---\n")
    monkeypatch.setattr(registry, "MODELS", tmp_path / "models")
    monkeypatch.setattr("cris.cli.models.ENTRIES", [replace(ENTRIES[0], name="tiny")])
    (model,) = json.loads(cris("models", "--json").out)
    assert model["description"] == "Knows nothing."
