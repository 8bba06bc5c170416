"""The embedded model on the causes of failure: figures that the docs tell."""

import json
from pathlib import Path

import numpy as np
import pytest

from cris import Segmenter
from cris.cli import main
from cris.data.open import open_dataset
from cris.studies.ambiguity import aurocs, judge_scenes
from cris.studies.calibration import answers, fit, reliability
from tests.fixtures.plugin import Proof


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained("cris-scenes", "cpu")


def test_ambiguous_sentences_are_told_from_others(prove: Proof, segmenter: Segmenter) -> None:
    found = aurocs(list(judge_scenes(segmenter, "test", prove.count(full=1_000, quick=12))))
    for name in ("ambiguity", "ambiguity, checked"):
        prove.figure(f"AUROC of {name}, on test", f"{found[name]:.3f}")
    assert found["ambiguity, checked"] >= (0.85 if prove.is_full else 0.6)


def test_a_calibrated_score_is_the_chance_of_a_good_mask(prove: Proof, segmenter: Segmenter) -> None:
    fitted, tested = prove.count(full=1_000, quick=120), prove.count(full=2_000, quick=60)
    calibration = fit(*answers(segmenter, open_dataset("scenes", "val", fitted).images(), is_raw=True))
    raw, is_good = answers(segmenter, open_dataset("scenes", "test", tested).images(), is_raw=True)
    before = reliability(raw, is_good).ece
    after = reliability(np.array([calibration(score) for score in raw.tolist()]), is_good).ece
    prove.figure(
        "expected calibration error on test, raw and calibrated on val", f"{before:.3f}, {after:.3f}"
    )
    assert after <= (0.05 if prove.is_full else before + 0.05)


def test_planted_wrong_labels_come_first(prove: Proof, tmp_path: Path) -> None:
    count, steps = prove.count(full=2_000, quick=24), prove.count(full=150, quick=1)
    plant = "0.1" if prove.is_full else "0.3"
    audit = f"audit scenes --plant {plant} --limit {count} --folds 2 --steps {steps} --show 0 --device cpu"
    assert main([*audit.split(), "--from", "cris-scenes", "--out", str(tmp_path / "audit")]) == 0
    record = json.loads((tmp_path / "audit" / "results.json").read_text(encoding="utf-8"))
    prove.figure(f"planted among the first tenth, of {plant} planted", f"{record['precision_at_top']:.3f}")
    assert record["precision_at_top"] > float(plant)
