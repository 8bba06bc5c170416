"""Stability of an answer under small changes of image and sentence; a check costs several answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from cris.ambiguity import ARTICLES, Check, is_telling
from cris.image import ImageSource
from cris.letterbox import CELL, Stretch
from cris.prediction import Prediction


@dataclass(frozen=True, kw_only=True)
class Change:
    """Small change of an image that leaves true what is said of it."""

    scale: float = 1.0
    """Scale factor about the centre."""
    right: float = 0.0
    """Shift to the right, as a share of the width."""
    down: float = 0.0
    """Shift downwards, as a share of the height."""
    brightness: float = 1.0

    def matrix(self, height: int, width: int) -> Float64[np.ndarray, "2 3"]:
        """Return the affine matrix from old to new positions, in pixels of an image of that size."""
        across, along = (width - 1) / 2, (height - 1) / 2
        return np.array(
            [
                [self.scale, 0, (1 - self.scale) * across + self.right * width],
                [0, self.scale, (1 - self.scale) * along + self.down * height],
            ]
        )


CHANGES = (
    Change(scale=1.1),
    Change(scale=0.9),
    Change(right=-0.06),
    Change(down=-0.06),
    Change(brightness=0.8),
)
"""Changes that a check asks again with, beside other wordings of the sentence."""
_NONE = 1e-6


@runtime_checkable
class Predicts(Protocol):
    """Protocol of a `Segmenter`, or of anything that answers like one."""

    def predict_batch(
        self, images: Sequence[ImageSource], sentences: list[list[str]]
    ) -> list[list[Prediction]]:
        """Return for each image the answers to its sentences."""
        ...


def check_agreement(segmenter: Predicts, predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return the same predictions, of one image, with their `check`, which makes their `ambiguity` surer.

    Asks again about the image a little larger, smaller, shifted and darker, and about the sentence with or
    without its article: agreement is the mean overlap of the old answer with these six. Then about the
    sentence without each of its words. The overlap is Σ min / Σ max of the probabilities.
    """
    if not predictions:
        return []
    assert all(one.image is predictions[0].image for one in predictions)
    image = _as_seen(predictions[0])
    sentences = [one.sentence for one in predictions]
    shortened = [shorten(sentence) for sentence in sentences]
    wordings = [
        wording
        for pair in zip(map(rephrase, sentences), shortened, strict=True)
        for wording in (pair[0], *pair[1])
    ]
    changed = [apply(change, image) for change in CHANGES]
    found, *others = segmenter.predict_batch([image, *changed], [wordings, *[sentences] * len(changed)])
    reworded = iter(found)
    checked = []
    for place, prediction in enumerate(predictions):
        cells = prediction.letterbox.cells
        before = prediction.grid[cells]
        overlaps = [overlap(before, next(reworded).grid[cells])]
        lost = [1 - overlap(before, next(reworded).grid[cells]) for _ in shortened[place]]
        for change, answers in zip(CHANGES, others, strict=True):
            overlaps.append(overlap_undone(change, before, answers[place].grid[cells]))
        check = Check(agreement=float(np.mean(overlaps)), narrowing=math.fsum(lost))
        checked.append(replace(prediction, check=check))
    return checked


def _as_seen(prediction: Prediction) -> UInt8[np.ndarray, "height width 3"]:
    """Return the image, no larger than what the network sees of it, as all changes go over every pixel."""
    image, letterbox = prediction.image, prediction.letterbox
    if isinstance(letterbox, Stretch):
        return image
    rows, columns = (CELL * side for side in prediction.grid[letterbox.cells].shape)
    # only the default letterbox, which fills whole cells, takes the smaller image to the same place
    if letterbox.protocol == "released" or rows > letterbox.height or columns > letterbox.width:
        return image
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)


def rephrase(sentence: str) -> str:
    """Return the sentence without the article it begins with, or with "the" when it begins with none."""
    first, _, rest = sentence.strip().partition(" ")
    return rest.strip() if first.casefold() in ARTICLES and rest.strip() else f"the {sentence.strip()}"


def shorten(sentence: str) -> list[str]:
    """Return the sentence without each of its words that is no article; nothing for a single such word."""
    words = sentence.split()
    places = [place for place, word in enumerate(words) if is_telling(word)] if len(words) > 1 else []
    return [" ".join((*words[:place], *words[place + 1 :])) for place in places]


def apply(change: Change, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """Return the changed image, of the same size; what comes in at the border repeats it."""
    height, width = image.shape[:2]
    matrix = change.matrix(height, width)
    method = cv2.INTER_AREA if change.scale < 1 else cv2.INTER_LINEAR
    moved = cv2.warpAffine(image, matrix, (width, height), flags=method, borderMode=cv2.BORDER_REPLICATE)
    return cv2.convertScaleAbs(moved, alpha=change.brightness)


def overlap_undone(
    change: Change,
    before: Float32[np.ndarray, "rows columns"],
    after: Float32[np.ndarray, "rows columns"],
) -> float:
    """Return the overlap of an answer with that to the changed image, where both show the same."""
    rows, columns = before.shape
    matrix = change.matrix(rows, columns)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    undone = cv2.warpAffine(after, matrix, (columns, rows), flags=flags)
    seen = cv2.warpAffine(np.ones_like(after), matrix, (columns, rows), flags=flags)
    return overlap(before * seen, undone)


def overlap(one: Float32[np.ndarray, "rows columns"], other: Float32[np.ndarray, "rows columns"]) -> float:
    """Return Σ min / Σ max of two probability maps: 1 for the same, 0 for maps that share nothing."""
    shared = np.minimum(one, other).sum(dtype=np.float64)
    return float((shared + _NONE) / (np.maximum(one, other).sum(dtype=np.float64) + _NONE))
