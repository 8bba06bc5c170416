"""Mean IoU, overall IoU, Pr@X, gIoU, cIoU, N-acc, T-acc, and how well the score tells good masks from bad."""

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Bool, Float64

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""The X of Pr@X, as shares of 1."""
GOOD_IOU = 0.5
"""A mask is good when its IoU is above this: what the score is asked to tell."""
_EPSILON = 1e-6  # in pixels; the released code's
Pixels = TypeVar("Pixels", float, np.ndarray)


class Measured(Protocol):
    """What the figures need of a sample; a `Row` has it."""

    @property
    def intersection(self) -> int:
        """Of the mask found and the true one, in pixels."""
        ...

    @property
    def union(self) -> int:
        """In pixels."""
        ...

    @property
    def predicted_area(self) -> int:
        """Of the mask found, in pixels."""
        ...

    @property
    def is_no_target(self) -> bool:
        """Whether nothing is meant."""
        ...

    @property
    def score(self) -> float:
        """The model's own."""
        ...

    @property
    def ceiling(self) -> float:
        """IoU that the true mask reaches."""
        ...


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


def generalised_iou(sample: Measured) -> float:
    """Of one sample as gRefCOCO counts it: 1 when nothing is meant and nothing found, without the 1e-6."""
    if sample.is_no_target:
        return float(sample.predicted_area == 0)
    return sample.intersection / sample.union if sample.union else 0.0


def summarise(samples: Collection[Measured]) -> Summary:
    """The figures of some samples, to the last bit the same in whatever order, from whatever processes.

    Pixels are added as whole numbers, shares by `math.fsum`, which rounds once.
    gIoU, cIoU, N-acc and T-acc are those of the evaluation that GRES (CVPR 2023) published for gRefCOCO, an
    empty mask meaning that nothing is found.

    Raises:
        ValueError: there is no sample.
    """
    if not samples:
        raise ValueError("there is nothing to summarise: expected one sample or more, got none")
    count = len(samples)
    ious = np.array([iou(float(one.intersection), float(one.union)) for one in samples])
    intersection, union = sum(one.intersection for one in samples), sum(one.union for one in samples)
    above = {f"pr{round(100 * x)}": int(np.count_nonzero(ious > x)) / count for x in THRESHOLDS}
    return Summary(
        count=count,
        mean_iou=math.fsum(ious) / count,
        overall_iou=iou(float(intersection), float(union)),
        **above,
        giou=math.fsum(map(generalised_iou, samples)) / count,
        ciou=intersection / union if union else 0.0,
        n_acc=_share([one.predicted_area == 0 for one in samples if one.is_no_target]),
        t_acc=_share([one.predicted_area > 0 for one in samples if not one.is_no_target]),
        ceiling=math.fsum(one.ceiling for one in samples) / count,
        score_auroc=auroc(np.array([one.score for one in samples], dtype=np.float64), ious > GOOD_IOU),
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


def _share(answers: list[bool]) -> float | None:
    return sum(answers) / len(answers) if answers else None
