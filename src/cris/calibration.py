"""Calibration from the score that a model's probabilities imply to the chance that its mask is good."""

import math
from dataclasses import dataclass

from cris.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Log-odds of the score = low · ln(raw score) - high · ln(1 - raw score) + offset.

    Rises everywhere, and leaves 0 and 1 where they are; the default changes nothing. Fitted by
    `cris.studies.calibration` (Kull, Silva Filho and Flach 2017, "Beta calibration").
    """

    low: float = 1.0
    """Slope where scores are low; above 0."""
    high: float = 1.0
    """Slope where scores are high; above 0."""
    offset: float = 0.0
    """Constant added to the log-odds."""

    def __post_init__(self) -> None:
        """Raise InputError for a calibration that would not rise."""
        is_finite = all(map(math.isfinite, (self.low, self.high, self.offset)))
        if not (is_finite and self.low > 0 and self.high > 0):
            raise InputError(f"a calibration needs a finite offset, and low and high above 0, got {self}")

    def __call__(self, raw: float) -> float:
        """Return the calibrated score of a raw one, both from 0 to 1."""
        if self == IDENTITY or not 0 < raw < 1:
            return raw
        log_odds = self.low * math.log(raw) - self.high * math.log1p(-raw) + self.offset
        return 0.5 + 0.5 * math.tanh(0.5 * log_odds)  # the sigmoid, without overflow


IDENTITY = Calibration()
"""Calibration that leaves the raw score as it is."""
