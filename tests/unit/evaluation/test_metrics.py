import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cris.errors import InputError
from cris.evaluation.bootstrap import intervals
from cris.evaluation.breakdowns import breakdown
from cris.evaluation.compare import compare
from cris.evaluation.metrics import (
    METRICS,
    Metric,
    Summary,
    auroc,
    generalised_iou,
    headlines,
    intersection_and_union,
    iou,
    mean,
    metric_named,
    summarise,
)
from cris.evaluation.results import Evaluation
from cris.evaluation.rows import Row
from cris.evaluation.table import TableEntry, make_table
from cris.letterbox import Letterbox
from cris.model.output import ModelOutput
from cris.prediction import Prediction
from tests.fixtures.plugin import Proof
from tests.fixtures.rows import a_row


def summary_of_pairs(pairs: list[tuple[int, int]]) -> Summary:
    return summarise([a_row(place, *pair) for place, pair in enumerate(pairs)])


def row_of(place: int, found: np.ndarray, true: np.ndarray) -> Row:
    intersection, union = intersection_and_union(found, true)
    return a_row(place, intersection, union, true_area=int(true.sum()), predicted_area=int(found.sum()))


def plain_figures(masks: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float | None]:
    """Pixel by pixel, as the definitions have it."""
    ious, general, shared, covered = [], [], 0, 0
    found_nothing: dict[bool, list[bool]] = {True: [], False: []}
    for found, true in masks:
        both = either = ours = theirs = 0
        for a, b in zip(found.flat, true.flat, strict=True):
            both += int(a and b)
            either += int(a or b)
            ours += int(a)
            theirs += int(b)
        ious.append(both / (either + 1e-6))
        general.append(both / either if theirs else float(ours == 0))
        shared, covered = shared + both, covered + either
        found_nothing[theirs == 0].append(ours == 0)
    count = len(masks)
    return {
        "mean_iou": sum(ious) / count,
        "overall_iou": shared / (covered + 1e-6),
        "giou": sum(general) / count,
        "ciou": shared / covered if covered else 0.0,
        **{f"pr{x}": sum(one > x / 100 for one in ious) / count for x in (50, 60, 70, 80, 90)},
        "n_acc": sum(found_nothing[True]) / len(found_nothing[True]) if found_nothing[True] else None,
        "t_acc": 1 - sum(found_nothing[False]) / len(found_nothing[False]) if found_nothing[False] else None,
    }


def a_mask() -> st.SearchStrategy[np.ndarray]:
    """Of any pixels, or the awkward ones: nothing, everything."""
    return st.one_of(
        arrays(bool, (4, 6)), st.just(np.zeros((4, 6), dtype=bool)), st.just(np.ones((4, 6), dtype=bool))
    )


@settings(max_examples=400)
@given(st.lists(st.tuples(a_mask(), a_mask()), min_size=1, max_size=12))
def test_figures_equal_the_plain_formula_on_any_masks(masks: list[tuple[np.ndarray, np.ndarray]]) -> None:
    figures = summarise([row_of(place, *pair) for place, pair in enumerate(masks)]).to_dict()
    for name, value in plain_figures(masks).items():
        assert figures[name] == (None if value is None else pytest.approx(value, rel=1e-12)), name


def test_figures_equal_the_plain_formula_on_thousands_of_masks(prove: Proof) -> None:
    generator = np.random.default_rng(0)
    count = prove.count(full=20_000, quick=2_000)
    density = generator.choice([0.0, 0.1, 0.5, 0.9, 1.0], size=(count, 2))
    masks = [tuple(generator.random((5, 7)) < share for share in pair) for pair in density]
    figures = summarise([row_of(place, *pair) for place, pair in enumerate(masks)]).to_dict()
    worst = max(abs(figures[name] - value) for name, value in plain_figures(masks).items())
    prove.figure(f"figures of {count:,} random masks against the plain formula", f"within {worst:.1e}")
    assert worst < 1e-12


@pytest.mark.parametrize("index", range(4))
def test_a_released_answer_scores_what_the_released_code_gives_it(shared_reference: Path, index: int) -> None:
    with np.load(shared_reference / "geometry.npz") as arrays_:
        logits, true = arrays_[f"logits_{index}"][0, 0], arrays_[f"mask_{index}"]
        size, released = int(arrays_["size"]), float(arrays_[f"iou_{index}"])
    found = Prediction.from_output(
        ModelOutput(logits[None]),
        sentence="",
        image=np.zeros((*true.shape, 3), dtype=np.uint8),
        letterbox=Letterbox(*true.shape, size, "released"),
        threshold=0.35,
    )
    # a value at the threshold may fall to either side: at most a pixel of a thousand, see tests/parity
    assert summarise([row_of(0, found.mask, true)])["mean_iou"] == pytest.approx(released, rel=1e-3)


@given(arrays(bool, (5, 7)), arrays(bool, (5, 7)))
def test_intersection_and_union_count_pixels(predicted: np.ndarray, true: np.ndarray) -> None:
    found = intersection_and_union(predicted, true)
    assert found == ((predicted & true).sum(), (predicted | true).sum())


@pytest.mark.parametrize(
    ("intersection", "union", "expected"),
    [(3, 4, 3 / (4 + 1e-6)), (7, 7, 7 / (7 + 1e-6)), (0, 5, 0.0), (0, 0, 0.0)],
    ids=["part", "perfect", "apart", "both empty"],
)
def test_iou_is_the_released_quotient(intersection: int, union: int, expected: float) -> None:
    assert iou(np.array([intersection]), np.array([union])) == [expected]


def test_mean_weighs_samples_alike_and_overall_weighs_pixels() -> None:
    summary = summary_of_pairs([(1, 2), (90, 100)])
    assert summary["mean_iou"] == pytest.approx((1 / 2 + 90 / 100) / 2)
    assert summary["overall_iou"] == pytest.approx(91 / 102)


def test_pr_counts_only_what_is_strictly_above() -> None:
    # 51 of 100 is above 0.5; 50 of 100 falls short of it by the 1e-6; 1000 of 1001 is above 0.9
    summary = summary_of_pairs([(50, 100), (51, 100), (1000, 1001), (0, 10)])
    assert (summary["pr50"], summary["pr60"], summary["pr90"]) == (0.5, 0.25, 0.25)
    assert summary.count == 4


def test_sentences_that_mean_nothing_count_as_in_grefcoco() -> None:
    nothing = {"true_area": 0, "is_no_target": True}
    rows = [
        a_row(0, 0, 0, predicted_area=0, **nothing),  # rightly nothing
        a_row(1, 0, 30, predicted_area=30, **nothing),  # hallucinated
        a_row(2, 0, 10, predicted_area=0, true_area=10),  # missed
        a_row(3, 5, 10, predicted_area=7, true_area=8),
    ]
    summary = summarise(rows)
    assert [generalised_iou(row) for row in rows] == [1.0, 0.0, 0.0, 0.5]
    assert (summary["giou"], summary["ciou"]) == (1.5 / 4, 5 / 50)
    assert (summary["n_acc"], summary["t_acc"]) == (0.5, 0.5)
    assert summary["mean_iou"] == pytest.approx(0.5 / 4)  # as released: nothing for nothing is worth nothing


def test_accuracies_without_their_samples_are_none() -> None:
    assert summary_of_pairs([(1, 2)])["n_acc"] is None
    assert summarise([a_row(0, 0, 0, true_area=0, predicted_area=0)])["t_acc"] is None


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_order_and_processes_change_no_bit(seed: int, processes: int) -> None:
    generator = random.Random(seed)
    rows = [
        a_row(place, extent, extent + generator.randrange(50), score=generator.random())
        for place, extent in enumerate(generator.randrange(1, 10**6) for _ in range(40))
    ]
    parts = [rows[start::processes] for start in range(processes)]
    generator.shuffle(parts)
    assert summarise(list(itertools.chain(*parts))) == summarise(rows)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30))
def test_summary_stays_within_its_bounds(extents: list[tuple[int, int]]) -> None:
    summary = summary_of_pairs([(shared, shared + apart) for shared, apart in extents])
    shares = [summary[f"pr{percent}"] for percent in (50, 60, 70, 80, 90)]
    assert shares == sorted(shares, reverse=True)
    assert all(
        0 <= share <= 1 for share in (*shares, summary["mean_iou"], summary["overall_iou"], summary["giou"])
    )


def test_summary_is_json_with_every_field() -> None:
    rows = [a_row(0, 1, 2, score=0.2), a_row(1, 2, 2, score=0.9)]
    figures = json.loads(json.dumps(summarise(rows).to_dict(), allow_nan=False))
    assert figures.keys() == {"count", *(metric.name for metric in METRICS)}
    assert figures["score_auroc"] == 1.0
    assert figures["ceiling"] == pytest.approx(0.9)


def test_names_on_disk_stay() -> None:
    names = [metric.name for metric in METRICS]
    assert names[:9] == [
        *("mean_iou", "overall_iou", "pr50", "pr60", "pr70", "pr80", "pr90", "giou", "ciou"),
    ]
    assert {"n_acc", "t_acc", "ceiling", "score_auroc"} <= {*names}


LONG_IOU = Metric(
    name="long_iou",
    title="IoU of long",
    meaning="Mean IoU over sentences of six words or more.",
    figure=lambda row: row.iou if row.words >= 6 else None,
    aggregate=mean(),
)
MEDIAN_AREA = Metric(
    name="median_area",
    title="median area",
    meaning="Pixels found.",
    figure=lambda row: row.predicted_area,
    aggregate=lambda areas: float(np.median(areas)),
    is_share=False,
    digits=1,
)
MINE = [*METRICS, LONG_IOU, MEDIAN_AREA]
ROWS = [a_row(place, 10 * place, 100, words=place, picture_id=place) for place in range(1, 10)]


def test_a_metric_of_one_s_own_is_told_beside_the_others() -> None:
    evaluation = Evaluation(ROWS, MINE)
    figures = evaluation.to_dict()
    assert figures["long_iou"] == pytest.approx(0.75)
    assert figures["median_area"] == np.median([row.predicted_area for row in ROWS])
    assert figures["intervals"]["long_iou"][0] < 0.75 < figures["intervals"]["long_iou"][1]
    assert "median_area" not in figures["intervals"]  # no ratio, so sums cannot be resampled
    assert figures["kinds"]["plain"]["long_iou"] == figures["long_iou"]
    assert breakdown(ROWS, "words", MINE)[0].summary["long_iou"] is None
    assert evaluation.headlines[-2:] == [LONG_IOU, MEDIAN_AREA]
    better = [replace(row, iou=row.iou + 0.1) for row in ROWS]
    (difference,) = (one for one in compare(ROWS, better, MINE).differences if one.metric is LONG_IOU)
    assert difference.change == pytest.approx(0.1)
    record = evaluation.to_dict() | {"model": "m", "identity": {"model": "sha"}, "backbone": None}
    record |= {"data": "d", "data_set": None, "split": "val", "limit": None}
    cells = make_table([TableEntry(record=record)], "median_area", MINE).lines[0].cells
    assert list(cells.values()) == [MEDIAN_AREA.text(figures["median_area"])]
    assert "| m | 75.00 (" in make_table([TableEntry(record=record)], "long_iou", MINE).markdown()


def test_a_resample_without_what_counts_is_left_out() -> None:
    found = intervals(ROWS, [replace(LONG_IOU, figure=lambda row: row.iou if row.words == 9 else None)])
    assert found["long_iou"].low == found["long_iou"].high == ROWS[-1].iou
    assert intervals(ROWS, [replace(LONG_IOU, figure=lambda row: None)]) == {}


def test_two_metrics_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="'mean_iou' twice"):
        summarise(ROWS, [*METRICS, METRICS[0]])


def test_an_unknown_metric_is_told_the_known_ones() -> None:
    assert metric_named("giou").title == "gIoU"
    with pytest.raises(InputError, match=r"one of mean_iou, overall_iou, .*, got 'iou'"):
        metric_named("iou")


def test_figures_of_what_means_nothing_are_headlines_only_where_there_is_such() -> None:
    assert not any(metric.is_no_target for metric in headlines(summarise(ROWS).figures))
    nothing = summarise([a_row(0, 0, 0, true_area=0, predicted_area=0)])
    assert {"giou", "n_acc"} <= {metric.name for metric in headlines(nothing.figures)}


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="got none"):
        summarise([])


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=60))
def test_auroc_equals_the_count_over_all_pairs(samples: list[tuple[int, bool]]) -> None:
    scores = np.array([score / 4 for score, _ in samples])  # few values, so that many are tied
    is_good = np.array([good for _, good in samples])
    found = auroc(scores, is_good)
    if is_good.all() or not is_good.any():
        assert found is None
        return
    won = scores[is_good][:, None] - scores[~is_good][None]
    assert found == pytest.approx(((won > 0) + 0.5 * (won == 0)).mean())
