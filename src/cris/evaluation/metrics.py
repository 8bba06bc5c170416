"""Mean IoU, overall IoU, Pr@X, gIoU, cIoU, N-acc, T-acc, and how well the score tells good masks from bad."""

import math
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64

from cris.errors import InputError

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
    giou: float
    """Mean IoU of gRefCOCO: a sentence that means nothing counts 1 when nothing is found, 0 otherwise."""
    ciou: float
    """Overall IoU of gRefCOCO: that of ours without its 1e-6; 0 when all masks are empty."""
    n_acc: float | None
    """Share of the sentences meaning nothing for which nothing is found; None without such."""
    t_acc: float | None
    """Share of the sentences meaning something for which something is found; None without such."""
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
    predicted_areas: Int64[np.ndarray, "n"] | None = None,
    is_no_target: Bool[np.ndarray, "n"] | None = None,
) -> Summary:
    """The figures of n samples, to the last bit the same in whatever order, from whatever processes.

    Pixels are added as whole numbers, shares by `math.fsum`, which rounds once. gIoU, cIoU, N-acc and T-acc
    are those of the evaluation published with GRES (CVPR 2023), an empty mask meaning that nothing is found;
    without areas, or without what has no target, the last two are None and every sentence means something.

    Raises:
        InputError: there is no sample.
    """
    count = len(intersections)
    if not count:
        raise InputError("there is nothing to summarise: expected one sample or more, got none")
    ious = iou(intersections, unions)
    n_acc = t_acc = None
    general = intersections / np.maximum(unions, 1)
    if predicted_areas is not None and is_no_target is not None:
        is_empty = predicted_areas == 0
        general = np.where(is_no_target, is_empty, general)
        n_acc, t_acc = _share(is_empty[is_no_target]), _share(~is_empty[~is_no_target])
    intersection, union = int(intersections.sum()), int(unions.sum())
    above = {f"pr{round(100 * x)}": int(np.count_nonzero(ious > x)) / count for x in THRESHOLDS}
    return Summary(
        count=count,
        mean_iou=math.fsum(ious) / count,
        overall_iou=iou(float(intersection), float(union)),
        **above,
        giou=math.fsum(general) / count,
        ciou=intersection / union if union else 0.0,
        n_acc=n_acc,
        t_acc=t_acc,
        ceiling=math.fsum(ceilings) / count,
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


def _share(answers: Bool[np.ndarray, "n"]) -> float | None:
    return int(np.count_nonzero(answers)) / len(answers) if len(answers) else None
