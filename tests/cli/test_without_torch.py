"""Every command that takes a model runs an exported one where torch cannot be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cris.cli import COMMANDS
from tests.fixtures.served import encoded, served

NEEDS_TORCH = ("convert", "train", "reproduce", "ablate", "export")
"""Commands that make or train models."""
WITHOUT_MODEL = ("models", "data", "report", "compare", "table")
RUN = """
import json, sys
from cris.cli import main
codes = {}
for words in json.loads(sys.argv[1]):
    codes[" ".join(words)] = main(words)
assert not hasattr(sys.modules.get("torch"), "Tensor")
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def no_torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which torch is not to be had, in child processes neither."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CRIS_DEBUG": "1"}


def python(code: str, *arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd)


def test_every_command_runs_an_exported_model(
    exported: Path, no_torch: dict[str, str], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    (tmp_path / "asked.txt").write_text("the red ring\n")
    model, few = str(exported), ("--limit", "4")
    commands = [
        ("segment", "photos", "the red ring", "--model", model, "--out", "found"),
        ("batch", "photos", "answers", "--sentences", "asked.txt", "--model", model, "--processes", "2"),
        ("eval", model, "scenes", *few, "--out", "one", "--processes", "1"),
        ("eval", model, "scenes", "--limit", "40", "--out", "two", "--processes", "2"),
        ("demo", "--model", model, "--scenes-model", model, *few, "--out", "gallery"),
        ("calibrate", model, "scenes", *few, "--check"),
        ("occlusion", model, "scenes", *few),
        ("audit", "scenes", "--from", model, "--steps", "0", *few, "--out", "audit"),
        ("report", "one", "--out", "report"),
        ("compare", "one", "one"),
        ("table", "one"),
        ("models",),
        ("doctor",),
        ("data", "scenes", "--count", "2", "--out", "data"),
    ]
    done = python(RUN, json.dumps(commands), env=no_torch, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    assert {words: code for words, code in codes.items() if code} == {}, done.stderr
    run = {words[0] for words in commands}
    assert run == set(COMMANDS) - {*NEEDS_TORCH, "serve", "push"}
    assert len(pd.read_parquet(tmp_path / "answers")) == 3
    assert len(pd.read_parquet(tmp_path / "two")) == 40


def test_a_server_runs_an_exported_model(exported: Path, no_torch: dict[str, str]) -> None:
    with served("--no-page", model=str(exported), env=no_torch) as server, server.client() as client:
        answer = server.segment(client, encoded(np.zeros((40, 60, 3), dtype=np.uint8)), "the red ring")
        assert answer.status_code == httpx.codes.OK
        assert answer.json()["results"][0]["rle"]["size"] == [40, 60]


@pytest.mark.parametrize("name", NEEDS_TORCH)
def test_other_commands_say_in_one_line_that_they_need_torch(
    name: str, exported: Path, no_torch: dict[str, str], tmp_path: Path
) -> None:
    words = {
        "convert": ("convert", "released", "x.pth", "--out", "out"),
        "train": ("train", "cris-scenes", "--out", "out", "--max-steps", "1"),
        "reproduce": ("reproduce", "scenes-tiny-fixed", "--out", "out"),
        "ablate": ("ablate", "scenes-tiny-fixed", "--out", "out"),
        "export": ("export", str(exported), "--format", "onnx", "--out", "out"),
    }[name]
    env = {key: value for key, value in no_torch.items() if key != "CRIS_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-m", "cris", *words], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "cris: error: this needs torch, which is not installed: pip install torch"
    )
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
