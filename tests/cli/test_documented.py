"""docs/cli.md and docs/json.md name every option and field there is, and none besides."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cris

DOCS = Path(__file__).resolve().parents[2] / "docs"


def section(document: str, heading: str) -> str:
    """What is below a heading that begins so, up to the next one."""
    text = (DOCS / document).read_text(encoding="utf-8")
    (found,) = (part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(heading))
    return found


def first_cells(text: str) -> Iterator[str]:
    """What the first column of the tables names in `code`."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split("|")[1])


@pytest.mark.parametrize(
    ("heading", "commands"),
    [
        ("cris segment", [("segment",)]),
        ("cris demo", [("demo",)]),
        ("cris convert", [("convert", "released"), ("convert", "clip")]),
        ("cris eval", [("eval",)]),
    ],
)
def test_options_are_documented(heading: str, commands: list[tuple[str, ...]], cris: Cris) -> None:
    offered = {
        option
        for command in commands
        for option in re.findall(r"^\W{0,3}(--[a-z][\w-]*)", cris(*command, "--help").out, flags=re.MULTILINE)
    }
    assert offered
    assert set(first_cells(section("cli.md", heading))) == offered


def fields(value: object, prefix: str = "") -> Iterator[str]:
    """The paths of all fields, list items written as []; what an `rle` or a kind holds is left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{prefix}{name}"
            if name not in ("rle", "kinds"):
                yield from fields(inner, f"{prefix}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, f"{prefix[:-1]}[].")


def test_fields_of_segment_are_documented(cris: Cris, picture: Path, checkpoint: Path) -> None:
    picture.with_name("bad.jpg").touch()
    outcome = cris("segment", picture.parent, "the red ring", "--model", checkpoint, "--json", "--out", "out")
    assert set(fields(json.loads(outcome.out))) == set(first_cells(section("json.md", "cris segment")))


def test_fields_of_eval_are_documented(cris: Cris, checkpoint: Path) -> None:
    outcome = cris("eval", checkpoint, "scenes", "--limit", "2", "--json", "--out", "out")
    text = section("json.md", "cris eval")
    figures, rows = text.split("rows.jsonl")
    printed = set(fields(json.loads(outcome.out)))
    assert printed == set(first_cells(figures))
    stored = set(fields(json.loads(Path("out/results.json").read_text(encoding="utf-8"))))
    (line,) = (line for line in text.splitlines() if line.startswith("`results.json`"))
    assert stored - printed == set(re.findall(r"`(\w+)`", line.replace("`results.json`", "")))
    row = json.loads(Path("out/rows.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row.keys() == set(first_cells(rows))


def test_fields_of_models_are_documented(cris: Cris) -> None:
    listed = json.loads(cris("models", "--json").out)
    named = set(first_cells(section("json.md", "cris models")))
    assert set(itertools.chain.from_iterable(listed)) == named
