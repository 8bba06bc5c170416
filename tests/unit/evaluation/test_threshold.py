import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cris.evaluation.metrics import iou
from cris.evaluation.threshold import (
    CANDIDATES,
    PEAK_CANDIDATES,
    Choice,
    choose_threshold,
    judge_emptying,
    pixels_above,
)
from cris.model.config import InferenceConfig


@given(
    arrays(np.float32, (6, 7), elements=st.sampled_from([0, 0.1, 0.2, 0.35, 0.350001, 0.5, 0.7, 0.9, 1])),
    arrays(bool, (6, 7)),
)
def test_pixels_are_those_of_masks_made_at_each_candidate(probability: np.ndarray, true: np.ndarray) -> None:
    candidates = (0.5, 0.1, *CANDIDATES, 0.5)  # in any order, some of them twice
    intersections, unions = pixels_above(probability, true, candidates)
    for place, threshold in enumerate(candidates):
        found = probability > threshold
        assert intersections[place] == (found & true).sum()
        assert unions[place] == (found | true).sum()


def test_the_best_is_the_lowest_of_equals() -> None:
    choice = Choice(
        {(0.3, 1.0): 0.5, (0.4, 0.5): 0.6, (0.5, 1.0): 0.6},
        {(0.1, 0.0): 0.7, (0.2, 0.1): 0.9, (0.3, 0.0): 0.9},
    )
    assert choice.best == (0.4, 0.5)
    assert choice.best_giou == 0.9
    chosen = choice.applied_to(InferenceConfig())
    assert (chosen.threshold, chosen.relative_threshold) == (0.4, 0.5)
    assert (chosen.peak_threshold, chosen.presence_threshold) == (0.2, 0.1)
    emptied = {(0.1, 0.0): 0.9, (0.2, 0.1): 1.0, (0.3, 0.0): 1.0}  # the gentlest that empties enough
    gentle = Choice({(0.4, 1.0): 0.6}, choice.gious, emptied).applied_to(InferenceConfig())
    assert (gentle.peak_threshold, gentle.presence_threshold) == (0.1, 0.0)
    nothing_absent = Choice({(0.3, 1.0): 0.5}, {})
    assert nothing_absent.best_giou is None
    assert nothing_absent.applied_to(InferenceConfig(peak_threshold=0.5)) == InferenceConfig(threshold=0.3)


def test_peaks_and_presence_are_judged_by_giou_and_by_what_they_empty() -> None:
    ious = np.array([0.9, 0.8, 0.7, 0.2, 0.0])
    peaks = np.array([0.9, 0.8, 0.61, 0.3, 0.55], dtype=np.float32)
    is_present = np.array([True, True, True, True, False])
    untold = np.ones(5)
    found, emptied = judge_emptying(ious, peaks, untold, is_present)
    assert (emptied[0.54, 0.0], emptied[0.56, 0.0]) == (0, 1)
    assert found[0.0, 0.0] == pytest.approx((0.9 + 0.8 + 0.7 + 0.2) / 5)
    assert found[0.56, 0.0] == pytest.approx((0.9 + 0.8 + 0.7 + 1) / 5)
    assert found[0.96, 0.0] == pytest.approx(1 / 5)
    assert set(found) == {(peak, 0.0) for peak in PEAK_CANDIDATES}
    told, _ = judge_emptying(ious, peaks, np.array([0.9, 0.8, 0.9, 0.3, 0.1]), is_present)
    assert told[0.0, 0.2] == pytest.approx((0.9 + 0.8 + 0.7 + 0.2 + 1) / 5)
    assert set(told) == {(0.0, presence) for presence in PEAK_CANDIDATES}
    assert judge_emptying(ious[:4], peaks[:4], untold[:4], is_present[:4]) == ({}, {})


def test_no_examples_are_refused() -> None:
    class Silent:
        batch_size = 2

    with pytest.raises(ValueError, match="got none"):
        choose_threshold(Silent(), [])  # type: ignore[arg-type]


def test_iou_of_counts_is_that_of_masks() -> None:
    probability = np.linspace(0, 1, 40, dtype=np.float32).reshape(5, 8)
    true = probability > 0.6
    ious = iou(*pixels_above(probability, true, CANDIDATES))
    assert CANDIDATES[int(np.argmax(ious))] == 0.6
