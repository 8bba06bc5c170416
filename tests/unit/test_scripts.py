"""Tools and benchmarks, which the type checker does not read, find what they import."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    f"{folder}.{path.stem}" for folder in ("tools", "benchmarks") for path in (ROOT / folder).glob("*.py")
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_finds_what_it_imports(name: str) -> None:
    assert importlib.import_module(name)
