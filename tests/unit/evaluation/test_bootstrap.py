import random

import numpy as np
import pytest

from cris.evaluation.bootstrap import intervals, mean_interval
from cris.evaluation.metrics import METRICS, Ratio, summarise
from cris.evaluation.rows import Row
from tests.fixtures.plugin import Proof
from tests.fixtures.rows import a_row


def rows_of(images: int, sentences: int, seed: int = 0, spread: float = 0.0) -> list[Row]:
    """IoUs of one image are alike when `spread` is 0."""
    generator = np.random.default_rng(seed)
    rows = []
    for image, level in enumerate(generator.uniform(0.2, 0.8, images)):
        for _ in range(sentences):
            share = float(np.clip(level + spread * generator.standard_normal(), 0, 1))
            rows.append(a_row(len(rows), round(1000 * share), 1000, picture_id=image))
    return rows


def test_intervals_lie_round_their_figures() -> None:
    rows = rows_of(60, 3, spread=0.1)
    found, figures = intervals(rows), summarise(rows).to_dict()
    assert found.keys() >= {
        "mean_iou", "overall_iou", "giou", "pr50", "pr60", "pr70", "pr80", "pr90",
    }  # fmt: skip
    ratios = [metric for metric in METRICS if isinstance(metric.aggregate, Ratio)]
    known = {metric.name for metric in ratios if metric.has_interval and figures[metric.name] is not None}
    assert found.keys() == known == {metric.name for metric in ratios} - {"ceiling", "n_acc"}
    for name, interval in found.items():
        assert interval.low <= figures[name] <= interval.high, name


def test_figures_of_sentences_that_mean_nothing_have_intervals() -> None:
    nothing = {"true_area": 0, "is_no_target": True}
    rows = rows_of(40, 2, spread=0.1)
    rows += [
        a_row(len(rows) + place, 0, 9, predicted_area=9 * (place % 3 == 0), picture_id=place, **nothing)
        for place in range(40)
    ]
    found, figures = intervals(rows), summarise(rows).to_dict()
    for name in ("giou", "ciou", "n_acc"):
        assert 0 < found[name].low < figures[name] < found[name].high < 1, name
    assert (found["t_acc"].low, found["t_acc"].high) == (1, 1)


def test_more_sentences_about_the_same_images_tell_no_more() -> None:
    one, many = (intervals(rows_of(50, sentences))["mean_iou"] for sentences in (1, 8))
    assert (many.low, many.high) == pytest.approx((one.low, one.high), abs=1e-9)


def test_intervals_hold_the_truth_as_often_as_they_say(prove: Proof) -> None:
    count = prove.count(full=400, quick=60)
    held = 0
    for seed in range(count):
        interval = intervals(rows_of(40, 2, seed, spread=0.1))["mean_iou"]
        held += interval.low <= 0.5 <= interval.high
    prove.figure("95 % intervals that hold the true mean IoU", f"{held} of {count}")
    assert held / count >= 0.87


def test_order_changes_no_bit() -> None:
    rows = rows_of(20, 3, spread=0.1)
    mixed = rows.copy()
    random.Random(0).shuffle(mixed)
    assert intervals(mixed) == intervals(rows)


def test_one_image_has_no_interval() -> None:
    rows = rows_of(1, 5)
    assert intervals(rows) == {}
    assert mean_interval(rows, [row.iou for row in rows]) is None
