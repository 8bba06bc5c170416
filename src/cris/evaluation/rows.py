"""Rows of an evaluation: one for each pair of image and sentence."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool

from cris.errors import InputError
from cris.masks import Rle, decode_rle

Failure = Literal["wrong object", "bad mask", "missed", "hallucinated", "merged"]
"""Kind of failure of a miss, see `cris.evaluation.failures`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Answer to one sentence about one image, compared with what the sentence means; areas are in pixels."""

    sample: int
    """Place in the split, from 0; rows are sorted by it."""
    picture: str
    """Name of the image: of a scene, split and index; else what the source calls it."""
    picture_id: int
    """Id of the image."""
    ref_id: int
    """Referring entry that the sentence belongs to."""
    sentence: str
    """Referring expression, as it was asked."""
    kind: str
    """Kind of the sentence: of Scenes as it was made, else by rule (`cris.evaluation.kinds`)."""
    category: str | None
    """Category of what is meant; None when nothing is, or things of several categories are."""
    words: int
    """Number of words in the sentence."""
    distractors: int
    """Other objects of that category in the image; 0 when there is no one category."""
    height: int
    """Image height, in pixels."""
    width: int
    """Image width, in pixels."""
    true_area: int
    """Area of the true mask."""
    predicted_area: int
    """Area of the mask found."""
    intersection: int
    """Area common to the mask found and the true one."""
    union: int
    """Area of the mask found and the true one together."""
    iou: float
    """Intersection / (union + 1e-6), as released: 0 when both masks are empty."""
    score: float
    """Model's own score, 0 to 1."""
    ambiguity: float | None
    """`Prediction.ambiguity`, 0 to 1; None unless it was asked for, which `cris eval` always does."""
    visible: float | None
    """Visible share of the target; of Scenes only, and None when there is no target."""
    ceiling: float
    """IoU of the true mask drawn on the model's own grid."""
    failure: Failure | None
    """Kind of failure; None when nothing went wrong."""
    is_no_target: bool
    """True if the sentence means nothing in the image."""
    best_other_iou: float
    """Highest IoU of the mask found with an annotated object that is not meant; 0 without one."""
    rle: Rle | None
    """Mask found; None where masks are not kept, as in training."""

    @property
    def mask(self) -> Bool[np.ndarray, "height width"]:
        """Return the mask found.

        Raises:
            InputError: it was not kept.
        """
        if self.rle is None:
            raise InputError(
                f"sample {self.sample} was measured without keeping its mask: measure it by cris eval"
            )
        return decode_rle(self.rle)
