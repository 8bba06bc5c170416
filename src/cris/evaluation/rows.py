"""What an evaluation keeps of every answer: one row for each pair of picture and sentence."""

from dataclasses import dataclass
from typing import Literal

from cris.masks import Rle

Failure = Literal["wrong object", "bad mask", "missed", "hallucinated", "merged"]
"""What went wrong with a miss, see `cris.evaluation.failures`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How one mask compares with the true one: what metrics read; areas are in pixels."""

    true_area: int
    predicted_area: int
    intersection: int
    """Of the mask found and the true one."""
    union: int
    iou: float
    """Intersection / (union + 1e-6), as released: 0 when both masks are empty."""
    score: float
    """The model's own, 0 to 1."""
    ceiling: float
    """IoU of the true mask drawn on the model's own grid."""
    is_no_target: bool
    """Whether the sentence means nothing in the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Overlap):
    """How one sentence about one picture was answered."""

    sample: int
    """Place in the split, from 0; rows are sorted by it."""
    picture: str
    """Its name: of a scene, split and index; else what the source calls it."""
    picture_id: int
    ref_id: int
    """The referring entry that the sentence belongs to."""
    sentence: str
    kind: str
    """What the sentence relies on: of Scenes as it was made, else by rule (`cris.evaluation.kinds`)."""
    category: str | None
    """Of what is meant; None when nothing is, or things of several categories are."""
    words: int
    distractors: int
    """Other objects of that category in the picture; 0 when there is no one category."""
    height: int
    """Of the picture, in pixels, as the width."""
    width: int
    ambiguity: float | None
    """`Prediction.ambiguity`, 0 to 1; None unless it was asked for, which `cris eval` always does."""
    visible: float | None
    """Share of the target that nothing hides; of Scenes only, and None when there is no target."""
    failure: Failure | None
    """What went wrong; None when nothing did."""
    best_other_iou: float
    """Highest IoU of the mask found with an annotated object that is not meant; 0 without one."""
    rle: Rle
    """The mask found."""
