import json
import shutil
from pathlib import Path

import pytest

from cris.cli import main
from cris.evaluation.row_files import read_rows
from tests.cli.conftest import Cris


@pytest.fixture(scope="module")
def measured(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of two models on the same ten scenes; the second one's threshold makes larger masks."""
    folder = tmp_path_factory.mktemp("measured")
    other = shutil.copytree(checkpoint, folder / "other")
    config = json.loads((other / "config.json").read_text())
    config["inference"]["threshold"] = 0.4
    (other / "config.json").write_text(json.dumps(config))
    for model, out in ((checkpoint, "a"), (other, "b")):
        assert main(["eval", str(model), "scenes", "--limit", "10", "--out", str(folder / out)]) == 0
    return folder


@pytest.fixture
def results(cris: Cris, measured: Path) -> tuple[str, str]:
    """Copies of those results in the folder of the test."""
    for name in ("a", "b"):
        shutil.copytree(measured / name, name)
    return "a", "b"


def test_comparing_tells_differences_and_what_changed_most(cris: Cris, results: tuple[str, str]) -> None:
    outcome = cris("compare", *results, "--json", "--most", "3")
    assert (outcome.code, outcome.err) == (0, "")
    content = json.loads(outcome.out)
    first, second = (read_rows(Path(folder)) for folder in results)
    moved = [b.iou - a.iou for a, b in zip(first, second, strict=True)]
    found = content["differences"]["mean_iou"]
    assert found["change"] == pytest.approx(sum(moved) / 10)
    assert found["interval"][0] <= found["change"] <= found["interval"][1]
    assert (content["better"], content["worse"]) == (sum(x > 0 for x in moved), sum(x < 0 for x in moved))
    changes = [abs(one["iou"][1] - one["iou"][0]) for one in content["most_changed"]]
    assert changes == sorted(map(abs, moved), reverse=True)[:3]

    text = cris("compare", *results, "--most", "3")
    assert text.code == 0
    assert "tiny → " in text.out
    assert "mean IoU" in text.out
    assert "Samples that changed most" in text.out


def test_results_of_different_data_are_not_compared(
    cris: Cris, checkpoint: Path, results: tuple[str, str]
) -> None:
    assert cris("eval", checkpoint, "scenes", "--limit", "9", "--out", "c").code == 0
    outcome = cris("compare", results[0], "c")
    assert outcome.is_short_error()
    assert "a and c are of different data, splits or limits" in outcome.err


@pytest.mark.parametrize("command", [("compare", "a", "x"), ("table", "x"), ("report", "x", "--out", "page")])
def test_what_is_no_result_is_one_line(
    command: tuple[str, ...], cris: Cris, results: tuple[str, str]
) -> None:
    told = "must be a folder that cris eval wrote with --out, but it"
    assert f"x {told} has no _results.json" in cris(*command).err
    Path("x").mkdir()
    record = json.loads(Path("a/_results.json").read_text())
    for change, words in (
        ({"job": "segment"}, f"x {told} holds results of 'segment'"),
        ({"schema_version": 0}, "must have schema version 1 and an identity, got version 0"),
    ):
        Path("x/_results.json").write_text(json.dumps(record | change))
        outcome = cris(*command)
        assert outcome.is_short_error()
        assert words in outcome.err
    Path("x/_results.json").unlink()
    Path("x/.unfinished").mkdir()
    assert "holds an interrupted evaluation: finish it with cris eval … --resume" in cris(*command).err


def test_rows_of_another_evaluation_are_noticed(
    cris: Cris, checkpoint: Path, results: tuple[str, str]
) -> None:
    assert cris("eval", checkpoint, "scenes", "--limit", "4", "--out", "c").code == 0
    shutil.copy("c/rows.parquet", "a/rows.parquet")
    outcome = cris("compare", *results)
    assert outcome.is_short_error()
    assert "a is of two evaluations: _results.json tells of 10 samples, rows.parquet has 4" in outcome.err


def test_a_table_has_a_line_for_each_model(cris: Cris, checkpoint: Path, results: tuple[str, str]) -> None:
    assert cris("eval", checkpoint, "scenes", "--split", "val", "--limit", "4", "--out", "c").code == 0
    outcome = cris("table", *results, "c")
    header, _, *lines = outcome.out.splitlines()
    assert header == "|  | scenes test | scenes val |"
    assert lines[0].startswith("| tiny | ")
    assert lines[1].startswith("| other | ")
    assert lines[1].endswith("| – |")
    latex = cris("table", *results, "--latex", "--figure", "pr50").out
    assert r"\begin{tabular}{lr}" in latex
    assert latex.count(r"\\") == 3


def test_a_table_of_nothing_is_wrong_use(cris: Cris) -> None:
    assert cris("table").is_short_error(code=2)


def test_a_table_takes_names(cris: Cris, results: tuple[str, str]) -> None:
    first, second = results
    lines = cris("table", f"base={first}", f"try 2={second}").out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| base", "| try 2"]
    assert cris("table", f"base={first}", f"base={second}").is_short_error()
    assert cris("table", "base=none").is_short_error()
