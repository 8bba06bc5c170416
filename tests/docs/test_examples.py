"""The examples run as their first lines say."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.docs.blocks import REPOSITORY
from tests.docs.test_readme import folder  # noqa: F401, a fixture

EXAMPLES = REPOSITORY / "examples"
SENTENCES = ("the red circle", "the blue square")


Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs an example in this process, and returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_every_example_is_run_here():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == [
        "extend.py",
        "folder_to_table.py",
        "many_sentences.py",
        "one_image.py",
    ]


@pytest.mark.usefixtures("forked_programs")
def test_extend(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "extend.py"), "out"]  # alone, as it trains and exports
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    (small,) = [line for line in printed.splitlines() if line.startswith("IoU of small")]
    assert float(small.split()[3]) > 0.5
    assert "Prediction('the red disc', score" in printed
    assert "IoU of small" in (tmp_path / "out" / "report" / "index.html").read_text(encoding="utf-8")
    assert len((EXAMPLES / "extend.py").read_text(encoding="utf-8").splitlines()) < 150


def test_one_image(run: Run, folder: Path) -> None:  # noqa: F811
    assert "score" in run("one_image.py", "street.jpg", SENTENCES[0])
    assert Image.open(folder / "mask.png").size == Image.open(folder / "overlay.jpg").size == (320, 240)


def test_many_sentences(run: Run, folder: Path) -> None:  # noqa: F811
    printed = run("many_sentences.py", "street.jpg", *SENTENCES)
    assert all(sentence in printed for sentence in SENTENCES)
    assert Image.open(folder / "sheet.jpg").size == (640, 240)
    coco = json.loads((folder / "coco.json").read_text())
    assert [each["name"] for each in coco["categories"]] == list(SENTENCES)
    (task,) = json.loads((folder / "label-studio.json").read_text())
    assert len(task["predictions"][0]["result"]) == len(coco["annotations"])


def test_folder_to_table(run: Run, folder: Path) -> None:  # noqa: F811
    (folder / "photos" / "broken.jpg").write_text("no image")
    printed = run("folder_to_table.py", "photos", SENTENCES[0])
    lines = printed.splitlines()
    assert sum(line.startswith("broken.jpg: ") for line in lines) == 1
    assert sum(": the red circle: score" in line for line in lines) == 2
