"""gRefCOCO as it was published, small: data, training with a presence head, and its figures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from cris.data.open import open_dataset
from cris.evaluation.ask import ask
from cris.evaluation.row_files import read_rows
from cris.evaluation.threshold import store_inference
from cris.segmenter import Segmenter
from tests.cli.conftest import Cris
from tests.fixtures.family import Family, grefs, make_family

FAMILY = make_family(24, seed=3)
REFS = grefs(FAMILY)


def plain_figures(family: Family, refs: list[dict[str, Any]], found: list[np.ndarray]) -> dict[str, float]:
    """The figures of the evaluation published with GRES, by its formulas alone; a mask for each sentence."""
    masks, predictions = family.masks(), iter(found)
    ious: list[float] = []
    empty = {True: [], False: []}  # of no target, and of one or more
    intersections = unions = 0
    for ref in refs:
        for _ in ref["sentences"]:
            prediction = next(predictions)
            target = np.zeros_like(prediction)
            for number in ref["ann_id"]:
                if number != -1:
                    target |= masks[number]
            empty[ref["no_target"]].append(not prediction.any())
            intersection, union = (prediction & target).sum(), (prediction | target).sum()
            if ref["no_target"]:
                ious.append(float(not prediction.any()))
                unions += union
            else:
                ious.append(intersection / union)
                intersections += intersection
                unions += union
    return {
        "n_acc": np.mean(empty[True]),
        "t_acc": 1 - np.mean(empty[False]),
        "giou": np.mean(ious),
        "ciou": intersections / unions,
    }


def test_from_the_published_files_to_their_figures(cris: Cris, checkpoint: Path, tmp_path: Path) -> None:
    _, instances, images = FAMILY.write(tmp_path / "grefcoco")
    refs = tmp_path / "grefcoco" / "grefs(unc).json"
    refs.write_text(json.dumps(REFS), encoding="utf-8")
    source = ("--refs", refs, "--instances", instances, "--images", images)
    made = cris("data", "refer", *source, "--out", "data")
    assert made.code == 0, made.err
    trained = cris(
        *("train", "finetune", "--from", checkpoint, "--data", "data", "--out", "run", "--steps", "2"),
        *("--model.presence-heads", "2", "--objectives.presence-weight", "1", "--sampling.pictures", "4"),
        *("--sampling.no-target-share", "0.3", "--validation.samples", "8", "--device", "cpu"),
    )
    assert trained.code == 0, trained.err
    last = Path("run/checkpoints/last")
    # half of the answers empty, as a model so young has no threshold of its own
    answers = ask(Segmenter.from_pretrained(last, "cpu"), open_dataset("data", "testA").images())
    present = [answer.prediction.present for answer in answers]
    store_inference(
        last,
        lambda inference: replace(inference, threshold=0.3, presence_threshold=float(np.median(present))),
    )

    measured = cris("eval", last, "data", "--split", "testA", "--out", "results", "--json")
    assert measured.code == 0, measured.err
    figures, rows = json.loads(measured.out), read_rows(Path("results"))
    by_sentence = {row.sentence: coco.decode(dict(row.rle)).astype(bool) for row in rows}
    asked = [ref for ref in REFS if ref["split"] == "testA"]
    found = [by_sentence[sentence["sent"]] for ref in asked for sentence in ref["sentences"]]
    assert len(found) == len(rows) == figures["count"]
    expected = plain_figures(FAMILY, asked, found)
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert 0 < figures["n_acc"] < 1
    assert 0 < figures["t_acc"] < 1
    assert figures["intervals"].keys() >= expected.keys()
    assert "N-acc" in cris("eval", last, "data", "--split", "testA").out
