"""The examples run as their first lines say."""

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.docs.blocks import REPOSITORY
from tests.docs.test_readme import folder  # noqa: F401, a fixture

EXAMPLES = REPOSITORY / "examples"
SENTENCES = ("the red circle", "the blue square")


def run(name: str, where: Path, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run_here():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == [
        "extend.py",
        "folder_to_table.py",
        "many_sentences.py",
        "one_image.py",
    ]


def test_extend(tmp_path: Path) -> None:
    printed = run("extend.py", tmp_path, "out")
    (small,) = [line for line in printed.splitlines() if line.startswith("IoU of small")]
    assert float(small.split()[3]) > 0.5
    assert "Prediction('the red disc', score" in printed
    assert "IoU of small" in (tmp_path / "out" / "report" / "index.html").read_text(encoding="utf-8")
    assert len((EXAMPLES / "extend.py").read_text(encoding="utf-8").splitlines()) < 150


def test_one_image(folder: Path) -> None:  # noqa: F811
    assert "score" in run("one_image.py", folder, "street.jpg", SENTENCES[0])
    assert Image.open(folder / "mask.png").size == Image.open(folder / "overlay.jpg").size == (320, 240)


def test_many_sentences(folder: Path) -> None:  # noqa: F811
    printed = run("many_sentences.py", folder, "street.jpg", *SENTENCES)
    assert all(sentence in printed for sentence in SENTENCES)
    assert Image.open(folder / "sheet.jpg").size == (640, 240)
    coco = json.loads((folder / "coco.json").read_text())
    assert [each["name"] for each in coco["categories"]] == list(SENTENCES)
    (task,) = json.loads((folder / "label-studio.json").read_text())
    assert len(task["predictions"][0]["result"]) == len(coco["annotations"])


def test_folder_to_table(folder: Path) -> None:  # noqa: F811
    (folder / "photos" / "broken.jpg").write_text("no image")
    printed = run("folder_to_table.py", folder, "photos", SENTENCES[0])
    lines = printed.splitlines()
    assert sum(line.startswith("broken.jpg: ") for line in lines) == 1
    assert sum(": the red circle: score" in line for line in lines) == 2
