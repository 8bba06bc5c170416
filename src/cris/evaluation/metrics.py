"""Mean IoU, overall IoU, Pr@X, and how well the score tells good masks from bad ones."""

from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""The X of Pr@X, as shares of 1."""
GOOD_IOU = 0.5
"""A mask is good when its IoU is above this: what the score is asked to tell."""
_EPSILON = 1e-6  # in pixels; the released code's
Pixels = TypeVar("Pixels", float, np.ndarray)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A model's figures on some samples, all shares of 1 but the count."""

    count: int
    """Samples: pairs of picture and sentence."""
    mean_iou: float
    """Mean over samples of intersection over union; the "IoU" of the paper."""
    overall_iou: float
    """Summed intersections over summed unions, so that large objects weigh more."""
    pr50: float
    """Share of samples whose IoU is above 0.5."""
    pr60: float
    pr70: float
    pr80: float
    pr90: float
    ceiling: float
    """Mean IoU that the true masks reach when drawn on the model's own grid."""
    score_auroc: float | None
    """Chance that a good mask (IoU above 0.5) has a higher score than a bad one; None when all are alike."""

    def to_dict(self) -> dict[str, int | float | None]:
        """For JSON."""
        return asdict(self)


def intersection_and_union(
    predicted: Bool[np.ndarray, "height width"], true: Bool[np.ndarray, "height width"]
) -> tuple[int, int]:
    """In pixels."""
    return int(np.count_nonzero(predicted & true)), int(np.count_nonzero(predicted | true))


def iou(intersection: Pixels, union: Pixels) -> Pixels:
    """Of one sample, or of each, as released: intersection / (union + 1e-6).

    So a perfect mask falls short of 1 by 1e-6 / union, and two empty masks get 0.
    """
    return intersection / (union + _EPSILON)


def summarise(
    *,
    intersections: Int64[np.ndarray, "n"],
    unions: Int64[np.ndarray, "n"],
    scores: Float64[np.ndarray, "n"],
    ceilings: Float64[np.ndarray, "n"],
) -> Summary:
    """The figures of n samples, one entry each; raises ValueError when there is none."""
    if not len(intersections):
        raise ValueError("there is nothing to summarise: expected one sample or more, got none")
    ious = iou(intersections, unions)
    above = {f"pr{round(100 * threshold)}": float((ious > threshold).mean()) for threshold in THRESHOLDS}
    return Summary(
        count=len(ious),
        mean_iou=float(ious.mean()),
        overall_iou=float(intersections.sum() / (unions.sum() + _EPSILON)),
        **above,
        ceiling=float(ceilings.mean()),
        score_auroc=auroc(scores, ious > GOOD_IOU),
    )


def auroc(scores: Float64[np.ndarray, "n"], is_good: Bool[np.ndarray, "n"]) -> float | None:
    """Chance that a good sample outscores a bad one, ties counting half; None without one of each.

    From ranks (Mann and Whitney's U), so n samples take O(n log n).
    """
    good = int(np.count_nonzero(is_good))
    bad = len(is_good) - good
    if not good or not bad:
        return None
    _, place, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(times) - (times - 1) / 2  # from 1; equal scores share the mean of their ranks
    return float((ranks[place][is_good].sum() - good * (good + 1) / 2) / (good * bad))
