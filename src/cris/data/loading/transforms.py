"""Training augmentation of a view: crops, mirroring, colour changes; the sentences stay true."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import UInt8

from cris.data.dataset import View
from cris.data.loading.flip import flip_sentence
from cris.errors import InputError
from cris.masks import box_of

Transform = Callable[[View, np.random.Generator], View]
"""Function of a view and its own generator, from which it draws what it needs."""

SMALLEST_SHARE = 0.5
"""Least share of each side that a crop may leave: images are decoded with that many more pixels."""

# what may not be there any more, or not be there but elsewhere, once a border is cut off
_DEPENDS_ON_BORDERS = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|last|\d+(?:st|nd|rd|th)|middle|mid|cent(?:er|re)|corner"
    r"|edge|end|whole|entire|cut ?off)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CropAroundTargets:
    """Random crop that never removes any part of what the sentences mean.

    Images are left alone if a sentence counts, or names a part of the image, such as the middle.
    """

    smallest: float = 0.6
    """Least share of each side that is kept; more where the targets need it."""

    def __post_init__(self) -> None:
        """Refuse shares for which images are not decoded large enough."""
        if not SMALLEST_SHARE <= self.smallest <= 1:
            raise InputError(
                f"smallest must be a share of the sides from {SMALLEST_SHARE} to 1, got {self.smallest}"
            )

    def __call__(self, view: View, random: np.random.Generator) -> View:
        """Crop the same share of both sides, so that shapes stay; whole pixels of the image."""
        share, across, down = random.uniform(self.smallest, 1), *random.random(2)
        if any(map(_DEPENDS_ON_BORDERS.search, view.sentences)):
            return view
        height, width = view.image.shape[:2]
        step = view.reduction
        left, top, right, bottom = _bounds(view)
        columns = _window(width, share, left // step, -(-right // step), across)
        rows = _window(height, share, top // step, -(-bottom // step), down)
        return replace(
            view,
            image=view.image[rows, columns],
            masks=tuple(mask[_times(rows, step), _times(columns, step)] for mask in view.masks),
        )


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirroring of the image with left and right swapped in its sentences, if all of them allow it."""

    probability: float = 0.5

    def __call__(self, view: View, random: np.random.Generator) -> View:
        """Return the mirrored view, or the view."""
        if random.random() >= self.probability:
            return view
        flipped = [flip_sentence(sentence) for sentence in view.sentences]
        sentences = tuple(sentence for sentence in flipped if sentence is not None)
        if len(sentences) < len(flipped):
            return view
        return replace(
            view,
            image=view.image[:, ::-1],
            sentences=sentences,
            masks=tuple(mask[:, ::-1] for mask in view.masks),
        )


@dataclass(frozen=True)
class ColourJitter:
    """Change of brightness, contrast and saturation; not of the hue, which sentences name."""

    brightness: float = 0.2
    """Largest share by which brightness goes up or down."""
    contrast: float = 0.2
    saturation: float = 0.2

    def __call__(self, view: View, random: np.random.Generator) -> View:
        """Apply three factors, each drawn uniformly."""
        brightness, contrast, saturation = (
            1 + random.uniform(-most, most) for most in (self.brightness, self.contrast, self.saturation)
        )
        return replace(view, image=_coloured(view.image, brightness, contrast, saturation))


def _coloured(
    image: UInt8[np.ndarray, "height width 3"], brightness: float, contrast: float, saturation: float
) -> UInt8[np.ndarray, "height width 3"]:
    image = np.ascontiguousarray(image)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean = float(grey.mean())
    levels = (np.arange(256) - mean) * contrast + mean
    table = np.clip(np.round(brightness * levels), 0, 255).astype(np.uint8)
    flat = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return cv2.LUT(cv2.addWeighted(image, saturation, flat, 1 - saturation, 0), table)


def _bounds(view: View) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of all targets, in mask pixels; any position if there are none."""
    boxes = [box for box in map(box_of, view.masks) if box is not None]
    if not boxes:
        return 0, 0, 0, 0
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _window(length: int, share: float, first: int, last: int, where: float) -> slice:
    """Return that share of a side, or more to hold `first` to `last` if there is something; 0 ≤ where < 1."""
    kept = max(1, round(share * length), last - first)
    if last <= first:
        low, high = 0, length - kept
    else:
        low, high = max(0, last - kept), min(first, length - kept)
    start = low + int(where * (high - low + 1))
    return slice(start, start + kept)


def _times(part: slice, step: int) -> slice:
    return slice(part.start * step, part.stop * step)
