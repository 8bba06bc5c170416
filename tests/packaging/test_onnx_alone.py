"""An exported model answers where only the wheel and the few packages of docs/export.md are installed."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cris import Segmenter
from tests.packaging.conftest import REPOSITORY
from tools.requirements import installed


def documented() -> list[str]:
    """The packages that docs/export.md lists."""
    text = (REPOSITORY / "docs" / "export.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"needs only\n\n```text\n(.*?)\n```", text, flags=re.DOTALL)
    return block.split()


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment's python: the wheel, unpacked, beside links to the documented packages' files."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for package in installed(documented()).values():
        for file in package.files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(str(package.locate_file(top))))
    return folder / "bin" / "python"


def alone(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_list_is_short_and_has_no_torch() -> None:
    assert len(documented()) <= 10
    assert not installed(documented()).keys() & {
        "torch",
        "safetensors",
        "openvino",
        "onnx",
    }


def test_torch_is_not_there(python: Path) -> None:
    assert alone(python, "import importlib.util as u; print(u.find_spec('torch'))") == "None"


def test_an_exported_model_predicts_without_torch(
    python: Path, exported_scenes: Callable[[str], Path]
) -> None:
    told = alone(
        python,
        f"""
import numpy
from cris import Segmenter
image = numpy.arange(64 * 48 * 3, dtype="uint8").reshape(48, 64, 3)
prediction = Segmenter.from_pretrained({str(exported_scenes("onnx"))!r}).predict(image, "the red ring")
print(prediction.mask.shape, round(float(prediction.grid.sum()), 2), prediction.to_rle()["size"])
""",
    )
    image = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)
    expected = Segmenter.from_pretrained("cris-scenes", "cpu").predict(image, "the red ring").grid.sum()
    shape, total, size = re.fullmatch(r"(\(.*\)) (.*) (\[.*\])", told).groups()  # type: ignore[union-attr]
    assert (shape, size) == ("(48, 64)", "[48, 64]")
    assert float(total) == pytest.approx(float(expected), abs=0.05)
