"""A tiny model on disk, and the command line as a function."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cris.checkpoint import save_checkpoint
from cris.cli import main
from cris.data.scenes import vocabulary
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from tests.fixtures.plugin import MakeOnce
from tests.fixtures.small import SMALL, small_cris


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    def is_short_error(self, code: int = 1) -> bool:
        """Whether it failed with this code and one line."""
        return (self.code, self.err.count("\n")) == (code, 1) and self.err.startswith("cris: error: ")


Cris = Callable[..., Outcome]


@pytest.fixture
def cris(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cris:
    """Runs `cris` with these arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole checkpoint of a random model that knows the words of scenes."""
    tokenizer = Tokenizer().reduced(sorted(vocabulary()))
    text = replace(SMALL.text, vocabulary=tokenizer.vocab_size)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    inference = InferenceConfig(input_size=64, sentence_length=16, threshold=0.5)
    save_checkpoint(folder, small_cris(replace(SMALL, text=text)), tokenizer, inference, "# tiny\n")
    return folder


@pytest.fixture(scope="session")
def exported(make_once: MakeOnce, traces: None) -> Path:
    """The model cris-scenes for onnxruntime, as `cris export` writes it; tests read it, or change a copy."""

    def export(folder: Path) -> None:
        assert main(["export", "cris-scenes", "--format", "onnx", "--out", str(folder)]) == 0

    return make_once("scenes-onnx-by-command", export)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A JPEG of 60×40 pixels."""
    path = tmp_path / "street.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def segment(cris: Cris, checkpoint: Path) -> Cris:
    """`cris segment` with the tiny model, to the folder out."""

    def run(*arguments: str | Path) -> Outcome:
        return cris("segment", *arguments, "--model", checkpoint, "--out", "out")

    return run


def record() -> dict[str, Any]:
    """What `segment` wrote of its results."""
    return json.loads(Path("out/results.json").read_text(encoding="utf-8"))


def left_behind() -> list[str]:
    """What there is beside the input."""
    return sorted(
        path.name for path in Path().iterdir() if path.name not in ("street.jpg", "bad.jpg", "photos")
    )
