"""docs/cli.md and docs/json.md name every option and field there is, and none besides."""

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cris.evaluation.failures import MEANINGS
from cris.evaluation.metrics import METRICS
from cris.evaluation.row_files import SCHEMA
from cris.training.config import TrainConfig
from tests.cli.conftest import Cris
from tools.site.commands import Words, every_command, parts_of

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


EVERY = list(every_command())
RECIPE = ("train",)
"""Its further options are the fields of a recipe, which docs/training.md tells."""


def test_every_command_has_its_section_in_the_parser_s_order() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## cris ([a-z ]*[a-z])\b(?![a-z])", text, flags=re.MULTILINE)
    assert headings == [" ".join(words) for words in EVERY]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_options_are_documented(words: Words, cris: Cris) -> None:
    asked = [(*words, "cris-scenes")] if words == RECIPE else [(*words, part) for part in parts_of(words)]
    option = re.compile(r"^\W{0,3}(--[a-z][\w-]*)(?=[\s,])", flags=re.MULTILINE)
    offered = {found for each in asked or [words] for found in option.findall(cris(*each, "--help").out)}
    cells = first_cells(section("cli.md", f"cris {' '.join(words)}"))
    documented = {cell for cell in cells if cell.startswith("--")}
    assert offered
    assert documented <= offered
    missing = offered - documented
    if words == RECIPE:
        fields = {field.name.replace("_", "-") for field in dataclasses.fields(TrainConfig)}
        missing = {each for each in missing if each.removeprefix("--").removeprefix("no-") not in fields}
    assert not missing


_APART = ("rle", "kinds", "intervals", "failures", "breakdowns", "identity", "differences")
"""Fields whose inner names are data, or are told in words."""


def fields(value: object, prefix: str = "") -> Iterator[str]:
    """The paths of all fields, list items written as []; what is in those of _APART is left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{prefix}{name}"
            if name not in _APART or isinstance(inner, list):  # those of `cris segment` are a list
                yield from fields(inner, f"{prefix}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, f"{prefix[:-1]}[].")


def test_fields_of_segment_are_documented(cris: Cris, image: Path, checkpoint: Path) -> None:
    image.with_name("bad.jpg").touch()
    outcome = cris("segment", image.parent, "the red ring", "--model", checkpoint, "--json", "--out", "out")
    of_other_models = {"pictures[].results[].present"}
    assert set(fields(json.loads(outcome.out))) | of_other_models == set(
        first_cells(section("json.md", "cris segment"))
    )


def test_fields_of_eval_are_documented(cris: Cris, checkpoint: Path) -> None:
    outcome = cris("eval", checkpoint, "scenes", "--limit", "2", "--json", "--out", "out")
    text = section("json.md", "cris eval")
    printed = json.loads(outcome.out)
    named = {*first_cells(text), *first_cells(section("evaluation.md", "Figures"))}
    assert set(fields(printed)) == named
    known = named - {"kinds", "breakdowns"}
    assert all(group.keys() == known for group in printed["kinds"].values())
    assert all(
        group.keys() == known for groups in printed["breakdowns"].values() for group in groups.values()
    )
    stored = set(fields(json.loads(Path("out/_results.json").read_text(encoding="utf-8"))))
    (line,) = (line for line in text.splitlines() if line.startswith("`_results.json`"))
    told = set(re.findall(r"`(\w+)`", line.replace("`_results.json`", "")))
    assert {name.rpartition(".")[2] for name in stored - printed.keys()} == told


def test_every_metric_has_its_line() -> None:
    lines = section("evaluation.md", "Figures").splitlines()
    told = [tuple(cell.strip(" `") for cell in line.split("|")[1:3]) for line in lines if "| `" in line]
    assert told == [(metric.name, metric.title) for metric in METRICS]


def test_columns_of_rows_are_documented() -> None:
    assert set(first_cells(section("evaluation.md", "What is kept"))) == set(SCHEMA.names)


def test_kinds_of_failure_are_documented() -> None:
    text = section("evaluation.md", "What went wrong")
    named = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert set(named) - {"kind", "---"} == set(MEANINGS)


def test_fields_of_compare_are_documented(cris: Cris, checkpoint: Path) -> None:
    for out in ("a", "b"):
        assert cris("eval", checkpoint, "scenes", "--limit", "2", "--out", out).code == 0
    content = json.loads(cris("compare", "a", "b", "--json").out)
    text = section("json.md", "cris compare")
    assert set(fields(content)) == set(first_cells(text))
    (line,) = (line for line in text.splitlines() if line.startswith("| `differences`"))
    inner = {name for one in content["differences"].values() for name in one}
    assert inner == set(re.findall(r"`(\w+)`", line)) - {"differences", "null"}


def test_fields_of_export_are_documented(exported: Path) -> None:
    told = json.loads((exported / "results.json").read_text(encoding="utf-8"))  # --json prints the same
    assert set(fields(told)) == set(first_cells(section("json.md", "cris export")))


def test_fields_of_models_are_documented(cris: Cris) -> None:
    listed = json.loads(cris("models", "--json").out)
    named = set(first_cells(section("json.md", "cris models")))
    assert set(itertools.chain.from_iterable(listed)) == named
