"""What is built for others to install: whole, small, and nothing of ours besides."""

import email
import importlib
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from tests.packaging.conftest import REPOSITORY, run

SOURCE = REPOSITORY / "src"
BEYOND_PREDICTION = {
    *("lightning", "lightning-fabric", "matplotlib", "datasets", "pandas", "pyarrow"),
    *("fastapi", "gradio", "litserve", "jinja2", "ray", "onnx", "onnxruntime", "openvino", "nncf"),
    *("timm", "torchvision", "beartype", "pytest"),
}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def version(wheel: Path) -> str:
    """The wheel's own; what is installed beside these tests may be of an earlier commit."""
    return str(parse_wheel_filename(wheel.name)[1])


@pytest.fixture(scope="module")
def metadata(wheel: Path, version: str) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"cris-{version}.dist-info/METADATA"))


def test_twine_accepts_wheel_and_source_archive(built: Path) -> None:
    run("-m", "twine", "check", "--strict", *sorted(built.iterdir()))


def test_wheel_holds_every_file_of_the_package(names: set[str]) -> None:
    ours = {path.relative_to(SOURCE).as_posix() for path in (SOURCE / "cris").rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= names


@pytest.mark.parametrize("name", ["cris/py.typed", "cris/model/assets/tokenizer.json"])
def test_wheel_holds_what_the_package_needs_at_run_time(names: set[str], name: str) -> None:
    assert name in names


def test_wheel_holds_twelve_photographs(names: set[str]) -> None:
    held = {Path(name).name for name in names if name.startswith("cris/demo/photographs/")}
    assert len([name for name in held if name.endswith(".jpg")]) == 12
    assert "photographs.json" in held


def test_wheel_predicts_outside_the_repository(wheel: Path, version: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = """
import sys; sys.path.insert(0, ".")
import cris, numpy
prediction = cris.Segmenter.from_pretrained().predict(numpy.zeros((48, 64, 3), "uint8"), "a cup")
print(cris.__file__, prediction.mask.shape, cris.sample_image().name, cris.__version__)
"""
    assert run("-c", code, cwd=tmp_path).split(" ", 1) == [
        str(tmp_path / "cris" / "__init__.py"),
        f"(48, 64) 000000062554.jpg {version}\n",
    ]


def test_base_install_predicts_and_nothing_else(metadata: Message) -> None:
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    base = {requirement.name for requirement in required if "extra ==" not in str(requirement.marker)}
    assert "torch" in base
    assert not base & BEYOND_PREDICTION


def test_command_line_entry_point_exists(wheel: Path, version: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry_points = archive.read(f"cris-{version}.dist-info/entry_points.txt").decode()
    assert "cris = cris.cli:main" in entry_points
    assert callable(importlib.import_module("cris.cli").main)
