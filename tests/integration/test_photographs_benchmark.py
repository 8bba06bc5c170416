"""The benchmark of photographs runs on a few of them, and its figures are those of its definitions."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import photographs
from cris.data.expressions.synonyms import HELD_OUT


def test_a_model_is_measured_on_a_few_photographs(shared_real, tmp_path: Path, capsys) -> None:
    out = tmp_path / "figures.json"
    options = ["--data", str(shared_real), "--photos", "5", "--absent", "3", "--device", "cpu"]
    assert photographs.main(["--model", "cris-scenes", *options, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    masks, presence, held_out = figures["masks"], figures["presence"], figures["held_out"]
    assert masks["count"] == sum(one["count"] for one in masks["areas"].values()) > 0
    assert 0 <= masks["mean_iou"] <= masks["ceiling"] <= 1
    assert presence["absent"] == 15
    assert presence["present"] > 0
    assert set(held_out["words"]) == set(HELD_OUT)
    assert held_out["count"] == sum(one["photos"] for one in held_out["words"].values())
    printed = capsys.readouterr().out
    assert printed.startswith("# cris-scenes\n")
    assert printed.count("\n## ") == 3
    assert f"{presence['present']} categories that are there, 15 that are not" in printed


def test_presence_is_told_by_what_is_higher_where_the_category_is() -> None:
    presence = photographs.Presence(
        is_present=np.array([True, True, False, False]),
        is_empty=np.array([False, True, True, False]),
        scores=np.array([0.9, 0.2, 0.1, 0.3]),
        peaks=np.array([0.9, 0.8, 0.1, 0.3]),
        presents=np.array([0.9, 0.2, 0.3, 0.1]),
    )
    assert presence.figures() == pytest.approx(
        {
            "present": 2,
            "absent": 2,
            "score_auroc": 0.75,
            "peak_auroc": 1.0,
            "presence_auroc": 0.75,
            "present_empty": 0.5,
            "absent_empty": 0.5,
        }
    )
