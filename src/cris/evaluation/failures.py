"""Kinds of failure: which objects explain the mask found best (see docs/evaluation.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from cris.evaluation.metrics import GOOD_IOU, intersection_and_union, iou
from cris.evaluation.rows import Failure

COVERED = 0.5
"""Share of an object that a mask must hold to be said to cover it."""
NOTABLE = 0.1
"""Share of a mask that an object must make up to be one of several that it covers."""

MEANINGS: dict[Failure, str] = {
    "wrong object": "Another annotated object explains the mask better than the right one, or none of the "
    "right one is in it.",
    "bad mask": "The right object, but too much or too little of it.",
    "missed": "Something is meant, nothing was found.",
    "hallucinated": "Nothing is meant, something was found.",
    "merged": "Several objects together explain the mask better than any one of them.",
}
"""Kind of failure → its meaning, for people."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Relation of a mask to what was meant and to the other objects."""

    failure: Failure | None
    """Kind of failure; None when the answer is right: IoU of 0.5 or more, or rightly nothing."""
    best_other_iou: float
    """Highest IoU with an object that is not meant; 0 without one."""


def explain(
    found: Bool[np.ndarray, "height width"],
    true: Bool[np.ndarray, "height width"],
    others: Sequence[Bool[np.ndarray, "height width"]],
) -> Explanation:
    """Compare a mask with what was meant (empty where nothing was) and with the objects that were not."""
    overlaps = [iou(*intersection_and_union(found, other)) for other in others]
    best_other = max(overlaps, default=0.0)
    return Explanation(_failure(found, true, others, best_other), best_other)


def _failure(
    found: Bool[np.ndarray, "height width"],
    true: Bool[np.ndarray, "height width"],
    others: Sequence[Bool[np.ndarray, "height width"]],
    best_other: float,
) -> Failure | None:
    if not true.any():
        return "hallucinated" if found.any() else None
    if not found.any():
        return "missed"
    right = iou(*intersection_and_union(found, true))
    if right >= GOOD_IOU:
        return None
    covered = [part for part in (true, *others) if _covers(found, part)]
    if len(covered) > 1:
        together = iou(*intersection_and_union(found, np.logical_or.reduce(covered)))
        if together > max(right, best_other):
            return "merged"
    return "wrong object" if best_other > right or right == 0 else "bad mask"


def _covers(found: Bool[np.ndarray, "height width"], part: Bool[np.ndarray, "height width"]) -> bool:
    shared = np.count_nonzero(found & part)
    return bool(
        shared >= COVERED * np.count_nonzero(part) and shared >= NOTABLE * np.count_nonzero(found) and shared
    )
