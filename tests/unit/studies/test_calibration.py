import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.calibration import Calibration
from cris.studies.calibration import BINS, fit, reliability, risk_coverage

outcomes = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def drawn(calibration: Calibration, count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Raw scores, and outcomes that are good as often as the calibrated scores say."""
    random = np.random.default_rng(0)
    raw = random.uniform(0.02, 0.98, count)
    return raw, random.random(count) < [calibration(score) for score in raw]


@pytest.mark.parametrize(("low", "high", "offset"), [(1, 1, 0), (2.5, 2, -1), (0.4, 3, -0.7)])
def test_the_curve_that_made_the_outcomes_is_found(low: float, high: float, offset: float) -> None:
    truth = Calibration(low=low, high=high, offset=offset)
    raw, is_good = drawn(truth)
    found = fit(raw, is_good)
    assert found.low == pytest.approx(low, abs=0.15)
    assert found.high == pytest.approx(high, abs=0.15)
    assert found.offset == pytest.approx(offset, abs=0.15)
    calibrated = np.array([found(score) for score in raw])
    assert reliability(calibrated, is_good).ece < 0.01
    if low != 1:
        assert reliability(raw, is_good).ece > 0.05


def test_no_other_line_near_makes_the_outcomes_likelier() -> None:
    raw, is_good = drawn(Calibration(low=1.8, high=1.2, offset=-0.6), 2_000)
    best = fit(raw, is_good)

    def likelihood(low: float, high: float, offset: float) -> float:
        chances = np.array([Calibration(low=low, high=high, offset=offset)(score) for score in raw])
        return float(np.log(np.where(is_good, chances, 1 - chances)).sum())

    most = likelihood(best.low, best.high, best.offset)
    for low, high, offset in np.concatenate([np.eye(3), -np.eye(3)]) * 0.1:
        assert likelihood(best.low + low, best.high + high, best.offset + offset) < most


def test_scores_rise_even_where_the_outcomes_would_have_them_fall() -> None:
    random = np.random.default_rng(0)
    raw = random.uniform(0.02, 0.98, 2_000)
    is_good = random.random(2_000) < np.where(raw < 0.3, 0.3 - raw, raw**2)
    found = fit(raw, is_good)
    assert found.low > 0
    assert found.high > 0
    calibrated = [found(score) for score in np.linspace(0, 1, 50)]
    assert calibrated == sorted(calibrated)


def test_empty_masks_have_no_part_in_the_fit() -> None:
    raw, is_good = drawn(Calibration(low=1.5), 1_000)
    more_raw = np.concatenate([raw, np.zeros(500)])
    more_good = np.concatenate([is_good, np.zeros(500, dtype=bool)])
    assert fit(more_raw, more_good) == fit(raw, is_good)


def test_scores_that_separate_perfectly_give_a_finite_line() -> None:
    raw = np.concatenate([np.full(50, 0.2), np.full(50, 0.9)])
    found = fit(raw, raw > 0.5)
    assert found(0.2) < 0.05
    assert found(0.9) > 0.95


@pytest.mark.parametrize("good", [0, 19, 981, 1_000])
def test_too_few_of_a_kind_are_refused(good: int) -> None:
    with pytest.raises(ValueError, match=r"at least 20 good masks and 20 bad ones, got \d+ and \d+"):
        fit(np.full(1_000, 0.5), np.arange(1_000) < good)


def test_scores_that_are_upside_down_are_refused() -> None:
    raw, is_good = drawn(Calibration(low=3.0, high=3.0), 1_000)
    with pytest.raises(ValueError, match="worse masks have the higher scores"):
        fit(raw, ~is_good)


def slow_ece(pairs: list[tuple[float, bool]]) -> float:
    total = 0.0
    for place in range(BINS):
        inside = [
            (score, good) for score, good in pairs
            if int(score * BINS) == place or (place == BINS - 1 and score == 1)
        ]  # fmt: skip
        if inside:
            promised = math.fsum(score for score, _ in inside) / len(inside)
            came = sum(good for _, good in inside) / len(inside)
            total += len(inside) / len(pairs) * abs(promised - came)
    return total


@given(outcomes)
def test_ece_is_the_plain_sum_over_bins(pairs: list[tuple[float, bool]]) -> None:
    scores, is_good = np.array([s for s, _ in pairs]), np.array([g for _, g in pairs])
    measured = reliability(scores, is_good)
    assert measured.ece == pytest.approx(slow_ece(pairs), abs=1e-9)
    assert sum(one.count for one in measured.bins) == measured.count == len(pairs)


@given(outcomes)
def test_risk_is_the_share_of_bad_masks_among_those_answered(pairs: list[tuple[float, bool]]) -> None:
    scores, is_good = np.array([s for s, _ in pairs]), np.array([g for _, g in pairs])
    points = risk_coverage(scores, is_good)
    assert [point.min_score for point in points] == sorted(set(scores.tolist()), reverse=True)
    for point in points:
        answered = [good for score, good in pairs if score >= point.min_score]
        assert point.coverage == pytest.approx(len(answered) / len(pairs))
        assert point.risk == pytest.approx(answered.count(False) / len(answered))
    area = reliability(scores, is_good).area
    # equal scores answered together: the mean risk that each sample sees
    seen = [next(p.risk for p in points if p.min_score == score) for score in scores]
    assert area == pytest.approx(np.mean(seen))


def test_curves_are_short_and_reach_everything() -> None:
    scores = np.linspace(0, 1, 5_000)
    curve = reliability(scores, scores > 0.5).risk_coverage
    assert len(curve) == 100
    assert curve[-1].coverage == 1
    assert curve[-1].risk == pytest.approx(0.5, abs=1e-3)


def test_nothing_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="nothing to measure"):
        reliability(np.zeros(0), np.zeros(0, dtype=bool))
