import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from cris import Segmenter
from cris.data.scenes import Scenes
from tests.cli.conftest import Cris

FIGURES = {"count", "mean_iou", "overall_iou", "ceiling", "score_auroc"} | {
    f"pr{x}" for x in (50, 60, 70, 80, 90)
}


def test_json_is_one_object_with_the_figures(cris: Cris, checkpoint: Path) -> None:
    outcome = cris("eval", checkpoint, "scenes", "--split", "val", "--limit", "9", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    figures = json.loads(outcome.out)
    kinds = figures.pop("kinds")
    assert figures.keys() == FIGURES
    assert figures["count"] == sum(kind["count"] for kind in kinds.values()) == 9
    assert all(kind.keys() == FIGURES for kind in kinds.values())

    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    ious = []
    for sample in itertools.islice(Scenes("val"), 9):
        mask = segmenter.predict(sample.image, sample.sentence).mask
        ious.append((mask & sample.mask).sum() / (mask | sample.mask).sum())
    assert figures["mean_iou"] == pytest.approx(np.mean(ious), abs=1e-3)


def test_table_shows_kinds_and_all(cris: Cris, checkpoint: Path) -> None:
    outcome = cris("eval", checkpoint, "scenes", "--limit", "5")
    assert outcome.code == 0
    kinds = {sample.kind.replace("_", " ") for sample in itertools.islice(Scenes("test"), 5)}
    assert all(f"│ {row} " in outcome.out for row in (*kinds, "all"))


def test_rows_are_kept_where_asked(cris: Cris, checkpoint: Path) -> None:
    cris("eval", checkpoint, "scenes", "--limit", "6", "--out", "out")
    record = json.loads(Path("out/results.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in Path("out/rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["example"] for row in rows] == [f"test/{index}" for index in range(6)]
    assert [row["sentence"] for row in rows] == [one.sentence for one in itertools.islice(Scenes("test"), 6)]
    assert record["mean_iou"] == pytest.approx(np.mean([row["iou"] for row in rows]))
    assert (record["job"], record["data"], record["split"], record["count"]) == ("eval", "scenes", "test", 6)


def test_results_of_another_job_stay(cris: Cris, checkpoint: Path) -> None:
    evaluate = ("eval", checkpoint, "scenes", "--out", "out", "--limit")
    assert cris(*evaluate, "2").code == 0
    assert cris(*evaluate, "2").code == 0
    assert cris(*evaluate, "3").is_short_error()
    assert cris(*evaluate, "3", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("some-folder",), "measures on scenes only, got 'some-folder': pass scenes"),
        (("scenes", "--split", "testA"), "split must be one of"),
        (("scenes", "--limit", "0"), "limit must be at least 1"),
        (("scenes", "--device", "toaster"), "device must be"),
        (("scenes", "--out", "/proc/nowhere"), "/proc/nowhere"),
    ],
)
def test_bad_arguments_are_one_line(
    arguments: tuple[str, ...], told: str, cris: Cris, checkpoint: Path
) -> None:
    outcome = cris("eval", checkpoint, *arguments, *(() if "--limit" in arguments else ("--limit", "1")))
    assert outcome.is_short_error()
    assert told in outcome.err
    assert outcome.out == ""


def test_unknown_model_is_one_line(cris: Cris) -> None:
    outcome = cris("eval", "cris-scene", "scenes")
    assert outcome.is_short_error()
    assert "did you mean cris-scenes?" in outcome.err
