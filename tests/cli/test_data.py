"""`cris data scenes`, `check`, `stats` and `export`, as a person uses them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cris.cli.data import COMMANDS
from cris.data.store.reading import StoredDataset
from tests.cli.conftest import Cris
from tests.fixtures.photographs import plain_photographs
from tests.fixtures.stored import record, with_entry, write

SCENES = ("data", "scenes", "--count", "4", "--size", "64", "--sentences-per-image", "3")


def test_the_help_lists_every_command(cris: Cris) -> None:
    outcome = cris("data", "--help")
    assert outcome.code == 0
    assert all(f"\n  {name}" in outcome.out and what in outcome.out for name, what in COMMANDS.items())


def test_data_alone_is_wrong_use_and_shows_the_help(cris: Cris) -> None:
    assert cris("data").code == 2
    assert "commands:" in cris("data").err


def test_a_misspelt_command_is_told(cris: Cris) -> None:
    outcome = cris("data", "chek")
    assert outcome.is_short_error(2)
    assert "no command 'data chek': did you mean 'check'?" in outcome.err


@pytest.mark.parametrize("name", ["scenes", "collages", "check", "stats", "export"])
def test_every_command_helps_itself(name: str, cris: Cris) -> None:
    outcome = cris("data", name, "--help")
    assert outcome.code == 0
    assert f"cris data {name}" in outcome.out


def test_the_help_imports_nothing_heavy() -> None:
    code = "import sys; from cris.cli import main; main(['data', '--help']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"'torch'", "'numpy'", "'pyarrow'", "'jinja2'", "'tyro'"} & set(
        loaded.replace(",", " ").split()
    )


def test_scenes_are_made_checked_drawn_and_exported(cris: Cris, tmp_path: Path) -> None:
    made = cris(*SCENES, "--split", "train", "val", "--out", "scenes")
    assert made.code == 0, made.err
    assert "8 images" in made.out
    dataset = StoredDataset(tmp_path / "scenes")
    assert {split: counts.pictures for split, counts in dataset.manifest.splits.items()} == {
        "train": 4,
        "val": 4,
    }
    assert len(dataset.samples("val")) == 12
    again = cris(*SCENES, "--split", "train", "val", "--out", "scenes", "--overwrite", "--json")
    manifest = json.loads(Path("scenes/manifest.json").read_text(encoding="utf-8"))
    assert json.loads(again.out) == {"left_out": {}, **manifest}

    checked = cris("data", "check", "scenes")
    assert (checked.code, checked.out.count(": ok (")) == (0, 10)

    drawn = cris("data", "stats", "scenes", "--out", "stats")
    assert drawn.code == 0
    assert "ceiling: 160: " in drawn.out
    assert "<figure>" in (tmp_path / "stats" / "index.html").read_text(encoding="utf-8")
    assert len(json.loads((tmp_path / "stats" / "results.json").read_text())["ceilings"]) == 6

    assert cris("data", "export", "scenes", "--format", "parquet", "--out", "parquet").code == 0
    assert cris("data", "export", "scenes", "--format", "webdataset", "--out", "tars").code == 0
    assert len(list((tmp_path / "parquet").glob("*.parquet"))) == 1
    assert sorted(path.name for path in (tmp_path / "tars").glob("*.tar")) == [
        "train-00000.tar",
        "val-00000.tar",
    ]


def test_a_data_set_is_not_overwritten_unasked(cris: Cris, tmp_path: Path) -> None:
    assert cris(*SCENES, "--out", "scenes").code == 0
    again = cris(*SCENES, "--seed", "1", "--out", "scenes")
    assert again.is_short_error()
    assert "pass --overwrite" in again.err
    assert cris(*SCENES, "--out", "scenes", "--resume").code == 0
    assert cris(*SCENES, "--seed", "1", "--out", "scenes", "--overwrite").code == 0
    assert StoredDataset(tmp_path / "scenes").manifest.source.options["seed"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--count", "0"), "count of split train must be 1 to"),
        (("--count", "3", "--size", "9"), "size must be at least 64 pixels"),
        (("--count", "3", "--sentences-per-image", "0"), "sentences must be 1 to 99"),
        (("--count", "3", "--no-target-share", "1.5"), "shares must be"),
        (("--count", "2000", "--split", "val"), "count of split val must be 1 to 1,000"),
    ],
)
def test_what_cannot_be_rendered_is_one_line(
    arguments: tuple[str, ...], message: str, cris: Cris, tmp_path: Path
) -> None:
    outcome = cris("data", "scenes", "--out", "scenes", *arguments)
    assert outcome.is_short_error()
    assert message in outcome.err
    assert not list(tmp_path.iterdir())


def test_check_ends_with_1_when_something_is_broken_and_0_when_it_is_doubtful(
    cris: Cris, tmp_path: Path
) -> None:
    write(tmp_path / "doubtful", [with_entry(record(0), sentences=("12",))])
    doubtful = cris("data", "check", "doubtful")
    assert doubtful.code == 0
    assert "warning: street-0.png (image 0): entry 0: the sentence '12' has no letters" in doubtful.out
    (tmp_path / "doubtful" / "pictures-00000.arrow").unlink()
    broken = cris("data", "check", "doubtful", "--json")
    assert broken.code == 1
    findings = json.loads(broken.out)["findings"]
    assert findings[0] == {
        "check": "files",
        "severity": "error",
        "where": "pictures-00000.arrow",
        "what": "the file is missing",
    }


@pytest.mark.parametrize(
    "command", [("check",), ("stats", "--out", "o"), ("export", "--format", "parquet", "--out", "o")]
)
def test_a_folder_that_is_no_data_set_is_one_line(
    command: tuple[str, ...], cris: Cris, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    outcome = cris("data", *command, "empty")
    assert outcome.is_short_error()
    assert "empty is no data set" in outcome.err
    assert not (tmp_path / "o").exists()


def test_an_export_replaces_nothing_but_an_export(cris: Cris, tmp_path: Path) -> None:
    write(tmp_path / "data", [record(0)])
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "thesis.txt").write_text("years of work")
    outcome = cris("data", "export", "data", "--format", "parquet", "--out", "o", "--overwrite")
    assert outcome.is_short_error()
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["thesis.txt"]


def test_a_missing_part_names_the_extra(cris: Cris, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for module in [name for name in sys.modules if name.startswith("cris.data.store.")]:
        monkeypatch.delitem(sys.modules, module)
    outcome = cris(*SCENES, "--out", "scenes")
    assert outcome.is_short_error()
    assert "pip install 'cris[data]'" in outcome.err


def test_collages_are_made_of_photographs_and_checked(cris: Cris, tmp_path: Path) -> None:
    write(tmp_path / "photographs", plain_photographs())
    made = cris("data", "collages", "photographs", "--count", "5", "--seed", "4", "--out", "collages")
    assert made.code == 0, made.err
    assert "5 images" in made.out
    dataset = StoredDataset(tmp_path / "collages")
    assert dataset.manifest.source.kind == "collages"
    assert set(dataset.manifest.splits) == {"train"}
    assert cris("data", "check", "collages").code == 0
    drawn = cris("data", "stats", "collages", "--out", "drawn")
    assert "collages: 5 of the images" in drawn.out
    assert "5 of the images are collages" in (tmp_path / "drawn/index.html").read_text(encoding="utf-8")


def test_collages_of_a_split_that_is_not_there_are_refused(cris: Cris, tmp_path: Path) -> None:
    write(tmp_path / "photographs", plain_photographs())
    asked = ("data", "collages", "photographs", "--count", "2", "--split", "val", "--out", "collages")
    refused = cris(*asked)
    assert refused.is_short_error(1)
    assert "split must be one of train" in refused.err
    assert not (tmp_path / "collages").exists()
