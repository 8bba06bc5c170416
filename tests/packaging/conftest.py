"""The wheel, built once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.plugin import MakeOnce

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path, cwd: Path = REPOSITORY) -> str:
    """What python prints when it is run with these arguments."""
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def built(make_once: MakeOnce) -> Path:
    """A folder with the source archive, and the wheel built from it."""
    return make_once("dist", lambda folder: run("-m", "build", "--no-isolation", "--outdir", folder))


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    """The wheel."""
    (path,) = built.glob("*.whl")
    return path
