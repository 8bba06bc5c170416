import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Cris
from tests.fixtures.stored import records, write


@pytest.fixture
def results(cris: Cris, checkpoint: Path, tmp_path: Path) -> Path:
    """Results on a stored data set."""
    write(tmp_path / "data", records(8))
    assert cris("eval", checkpoint, "data", "--split", "val", "--out", "results").code == 0
    return Path("results")


def test_a_report_is_a_page_and_its_images(cris: Cris, results: Path) -> None:
    outcome = cris("report", results, "--out", "page")
    assert (outcome.code, outcome.err, outcome.out) == (0, "", "Look at page/index.html\n")
    assert sorted(path.name for path in Path("page").iterdir()) == ["index.html", "layers", "pictures"]
    assert [path.stem for path in sorted(Path("page/layers").iterdir())] == [*map(str, range(8))]
    assert [path.stem for path in sorted(Path("page/pictures").iterdir())] == ["3", "7"]
    text = Path("page/index.html").read_text(encoding="utf-8")
    assert "tiny" in text
    assert "threshold 0.5" in text
    assert not [path for path in Path().iterdir() if path.name.startswith(".page")]


def test_scenes_are_drawn_again(cris: Cris, checkpoint: Path) -> None:
    assert cris("eval", checkpoint, "scenes", "--limit", "3", "--out", "results").code == 0
    assert cris("report", "results", "--out", "page").code == 0
    assert len(list(Path("page/pictures").iterdir())) == 3
    assert "the first 3 samples only" in Path("page/index.html").read_text(encoding="utf-8")


def test_a_report_replaces_its_own_and_no_other(cris: Cris, checkpoint: Path, results: Path) -> None:
    assert cris("report", results, "--out", "page").code == 0
    assert cris("report", results, "--out", "page").code == 0
    assert cris("eval", checkpoint, "scenes", "--limit", "2", "--out", "other").code == 0
    outcome = cris("report", "other", "--out", "page")
    assert outcome.is_short_error()
    assert "page holds a report on other results" in outcome.err
    printed = cris("report", "other", "--out", "page", "--overwrite", "--json").out
    assert json.loads(printed) == {"page": "page/index.html", "count": 2}
    Path("mine").mkdir()
    Path("mine/notes.txt").touch()
    outcome = cris("report", results, "--out", "mine", "--overwrite")
    assert outcome.is_short_error()
    assert "mine holds other files than a report" in outcome.err
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_data_that_moved_or_changed_is_told(cris: Cris, results: Path, tmp_path: Path) -> None:
    shutil.move("data", "moved")
    outcome = cris("report", results, "--out", "page")
    assert outcome.is_short_error()
    assert "was measured on data, which is not there: say with --data" in outcome.err
    assert cris("report", results, "--out", "page", "--data", "moved").code == 0
    write(tmp_path / "other", records(12))
    outcome = cris("report", results, "--out", "page", "--data", "other")
    assert outcome.is_short_error()
    assert "other is not what results was measured on, or has changed since" in outcome.err


def test_a_page_that_fails_leaves_nothing(cris: Cris, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cris.evaluation.report.page.render", full)
    outcome = cris("report", results, "--out", "page")
    assert outcome.is_short_error()
    assert "the disk is full" in outcome.err
    assert not Path("page").exists()
    assert json.loads((results / "_results.json").read_text())["count"] == 8
