"""From the score that a model's probabilities imply to the chance that its mask is good."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Platt's line on the log-odds: logit of the score = slope · logit of the raw score + offset.

    Rises everywhere, and leaves 0 and 1 where they are; the default changes nothing. Fitted by
    `cris.evaluation.calibration` (Platt 1999, "Probabilistic outputs for support vector machines").
    """

    slope: float = 1.0
    """Above 0: below 1 for a model that is too sure of itself, above 1 for one that is not sure enough."""
    offset: float = 0.0
    """Log-odds that are added: below 0 for a model that is better at scoring than at finding."""

    def __post_init__(self) -> None:
        """Refuses what would not rise."""
        if not (math.isfinite(self.slope) and math.isfinite(self.offset) and self.slope > 0):
            raise ValueError(f"a calibration needs a finite offset and a slope above 0, got {self}")

    def __call__(self, raw: float) -> float:
        """The calibrated score of a raw one, both from 0 to 1."""
        if self == IDENTITY or not 0 < raw < 1:
            return raw
        log_odds = self.slope * (math.log(raw) - math.log1p(-raw)) + self.offset
        return 0.5 + 0.5 * math.tanh(0.5 * log_odds)  # the sigmoid, without overflow


IDENTITY = Calibration()
"""The raw score as it is."""
