"""`cris audit`, `cris calibrate`, `cris occlusion`, and `cris segment --min-score`, with a tiny model."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cris.checkpoint import load_checkpoint
from cris.data.annotations.selection import read_drop_list
from tests.cli.conftest import Cris

PLANTED = ("audit", "scenes", "--plant", "0.3", "--limit", "12", "--show", "3", "--out", "audit")


def test_an_audit_ranks_shows_and_lists(cris: Cris, checkpoint: Path) -> None:
    outcome = cris(*PLANTED, "--from", checkpoint, "--steps", "1", "--folds", "2", "--json")
    assert outcome.code == 0
    record = json.loads(outcome.out)
    assert record == json.loads(Path("audit/results.json").read_text())
    assert (record["count"], record["folds"], record["steps"], record["planted"]) == (12, 2, 1, 0.3)
    assert 0 <= record["precision_at_top"] <= 1
    ranked = [json.loads(line) for line in Path("audit/suspects.jsonl").read_text().splitlines()]
    assert sorted(one["sample"] for one in ranked) == list(range(12))
    suspicions = [one["suspicion"] for one in ranked]
    assert suspicions == sorted(suspicions, reverse=True)
    assert record["suspicion_at_top"] == suspicions[0]
    dropped = read_drop_list(Path("audit/suspects.json"))
    assert dropped == {f"said:{ranked[0]['ref_id']}:{ranked[0]['sentence']}"}
    page = Path("audit/index.html").read_text(encoding="utf-8")
    assert page.count("<article") == 3
    assert len(list(Path("audit/folds").iterdir())) == 2


def test_another_audit_needs_another_folder(cris: Cris, checkpoint: Path) -> None:
    first = (*PLANTED, "--from", checkpoint, "--steps", "0")
    assert cris(*first).code == 0
    assert "are planted" in cris(*first).out
    assert cris(*first, "--seed", "1").is_short_error()
    assert cris(*first, "--seed", "1", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("audit", "nowhere", "--plant", "0.1", "--out", "o"), 2, "plant is of scenes"),
        (("audit", "nowhere", "--out", "o"), 1, "nowhere"),
        (("audit", "scenes", "--plant", "1", "--out", "o"), 2, "a share from 0 to 1"),
        (("audit", "scenes", "--steps", "-1", "--out", "o"), 2, "steps and show must be"),
        (("audit", "scenes", "--limit", "3", "--folds", "4", "--out", "o"), 1, "2 to the 3 images"),
        (("calibrate", "cris-scenes", "scenes"), 2, "name a folder of yours"),
        (("calibrate", "cris-scenes", "scenes", "--split", "x", "--check"), 1, "split"),
        (("occlusion", "cris-scenes", "scenes", "--hide", "1.5"), 1, "above 0 and below 1"),
        (("segment", "a.jpg", "the star", "--min-score", "2"), 2, "--min-score must be"),
    ],
)
def test_wrong_use_is_one_line(cris: Cris, arguments: tuple[str, ...], code: int, message: str) -> None:
    outcome = cris(*arguments)
    assert outcome.is_short_error(code)
    assert message in outcome.err
    assert not Path("o/index.html").exists()


def test_scores_are_measured_and_nothing_is_stored_by_a_check(cris: Cris, checkpoint: Path) -> None:
    before = (checkpoint / "config.json").read_bytes()
    outcome = cris("calibrate", checkpoint, "scenes", "--limit", "6", "--check", "--json", "--out", "out")
    record = json.loads(outcome.out)
    assert (record["count"], record["ece_before"]) == (6, None)
    assert record["calibration"] == {"low": 1.0, "high": 1.0, "offset": 0.0}
    assert record == json.loads(Path("out/results.json").read_text())
    assert Path("out/calibration.svg").read_text().startswith("<?xml")
    assert (checkpoint / "config.json").read_bytes() == before


def test_too_few_outcomes_store_nothing(cris: Cris, checkpoint: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    before = (model / "config.json").read_bytes()
    assert cris("calibrate", model, "scenes", "--limit", "6").is_short_error()
    assert (model / "config.json").read_bytes() == before


def test_a_fitted_calibration_is_kept_in_the_checkpoint(
    cris: Cris, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = np.linspace(0.05, 0.95, 200)
    is_good = np.random.default_rng(0).random(200) < raw**2
    monkeypatch.setattr("cris.studies.score_calibration.answers", lambda *_, **__: (raw, is_good))
    model = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    record = json.loads(cris("calibrate", model, "scenes", "--json").out)
    kept = load_checkpoint(model).inference.calibration
    assert record["calibration"] == asdict(kept)
    assert record["ece"] < record["ece_before"]


def test_occlusion_is_measured_on_and_beside_the_target(cris: Cris, checkpoint: Path) -> None:
    options = ("--limit", "2", "--hide", "0.5", "--split", "val", "--json", "--out", "out")
    record = json.loads(cris("occlusion", checkpoint, "scenes", *options).out)
    assert [one["low"] for one in record["on"]] == [0.5, 1.0]
    assert [one["count"] for one in record["on"]] == [2, 2]
    assert len(record["scenes"]) == 5
    assert Path("out/occlusion.svg").read_text().startswith("<?xml")


def test_below_the_least_score_nothing_is_found(cris: Cris, checkpoint: Path, image: Path) -> None:
    ask = ("segment", image, "the red ring", "--model", checkpoint, "--json")
    free, held = (
        json.loads(cris(*ask, "--out", out, *more).out)
        for out, more in (("a", ()), ("b", ("--min-score", "1")))
    )
    (was,), (now,) = (record["pictures"][0]["results"] for record in (free, held))
    assert (free["min_score"], held["min_score"]) == (0.0, 1.0)
    assert now["box"] is None
    assert now["score"] == was["score"] < 1
    assert 0 <= now["ambiguity"] <= 1
    assert not np.asarray(Image.open(Path("b") / now["mask"])).any()
