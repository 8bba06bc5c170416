import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.calibration import IDENTITY, Calibration

shares = st.floats(0, 1)
calibrations = st.builds(
    Calibration, low=st.floats(0.05, 20), high=st.floats(0.05, 20), offset=st.floats(-10, 10)
)


@given(shares)
def test_the_default_changes_nothing(raw: float) -> None:
    assert IDENTITY(raw) == Calibration()(raw) == raw


@given(calibrations)
def test_nothing_and_certainty_stay(calibration: Calibration) -> None:
    assert calibration(0.0) == 0.0
    assert calibration(1.0) == 1.0


@given(calibrations, shares, shares)
def test_a_higher_raw_score_never_gets_a_lower_one(
    calibration: Calibration, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert 0 <= calibration(low) <= calibration(high) <= 1


@given(calibrations, st.floats(0.001, 0.999))
def test_log_odds_lie_on_the_line(calibration: Calibration, raw: float) -> None:
    line = calibration.low * math.log(raw) - calibration.high * math.log(1 - raw) + calibration.offset
    assert calibration(raw) == pytest.approx(1 / (1 + math.exp(-line)) if line > -700 else 0, abs=1e-12)


@pytest.mark.parametrize("slope", [0, -1, math.nan, math.inf])
def test_a_slope_that_does_not_rise_is_refused(slope: float) -> None:
    for name in ("low", "high"):
        with pytest.raises(ValueError, match="low and high above 0"):
            Calibration(**{name: slope})


def test_an_offset_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="a finite offset"):
        Calibration(offset=math.inf)
