import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cris.evaluation.metrics import Summary, auroc, intersection_and_union, iou, summarise


def summary_of(pairs: list[tuple[int, int]], scores: list[float] | None = None) -> Summary:
    intersections, unions = np.array(pairs).T
    return summarise(
        intersections=intersections,
        unions=unions,
        scores=np.array(scores or [0.5] * len(pairs)),
        ceilings=np.full(len(pairs), 0.9),
    )


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
    summary = summary_of([(1, 2), (90, 100)])
    assert summary.mean_iou == pytest.approx((1 / 2 + 90 / 100) / 2)
    assert summary.overall_iou == pytest.approx(91 / 102)


def test_pr_counts_only_what_is_strictly_above() -> None:
    # 51 of 100 is above 0.5; 50 of 100 falls short of it by the 1e-6; 1000 of 1001 is above 0.9
    summary = summary_of([(50, 100), (51, 100), (1000, 1001), (0, 10)])
    assert (summary.pr50, summary.pr60, summary.pr90) == (0.5, 0.25, 0.25)
    assert summary.count == 4


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30))
def test_summary_stays_within_its_bounds(extents: list[tuple[int, int]]) -> None:
    summary = summary_of([(shared, shared + apart) for shared, apart in extents])
    shares = [summary.pr50, summary.pr60, summary.pr70, summary.pr80, summary.pr90]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in (*shares, summary.mean_iou, summary.overall_iou))


def test_summary_is_json_with_every_field() -> None:
    figures = json.loads(json.dumps(summary_of([(1, 2), (2, 2)], [0.2, 0.9]).to_dict(), allow_nan=False))
    assert figures.keys() == {field.name for field in fields(Summary)}
    assert figures["score_auroc"] == 1.0
    assert figures["ceiling"] == pytest.approx(0.9)


def test_no_samples_are_refused() -> None:
    nothing = np.zeros(0)
    with pytest.raises(ValueError, match="got none"):
        summarise(
            intersections=nothing.astype(int), unions=nothing.astype(int), scores=nothing, ceilings=nothing
        )


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
