"""What training does to a view of a picture: crops, mirrors, changes colours; the sentence stays true."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import UInt8

from cris.data.loading.flip import flip_sentence
from cris.data.samples import View
from cris.errors import InputError
from cris.masks import box_of

Transform = Callable[[View, np.random.Generator], View]
"""Draws what it needs from the generator, which belongs to the view alone."""

SMALLEST_SHARE = 0.5
"""Of each side, that a crop may leave: pictures are decoded with that many more pixels."""

# what may not be there any more, or not be there but elsewhere, once a border is cut off
_DEPENDS_ON_BORDERS = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|last|\d+(?:st|nd|rd|th)|middle|mid|cent(?:er|re)|corner"
    r"|edge|end|whole|entire|cut ?off)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CropAroundTargets:
    """Cuts borders off, never any part of what the sentences mean.

    Left alone are pictures of which a sentence counts, or names a part, such as the middle.
    """

    smallest: float = 0.6
    """Least share of each side that is kept; more where the targets need it."""

    def __post_init__(self) -> None:
        """Refuses shares for which pictures are not decoded large enough."""
        if not SMALLEST_SHARE <= self.smallest <= 1:
            raise InputError(
                f"smallest must be a share of the sides from {SMALLEST_SHARE} to 1, got {self.smallest}"
            )

    def __call__(self, view: View, random: np.random.Generator) -> View:
        """The same share of both sides, so that shapes stay; whole pixels of the image."""
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
    """Mirrors the picture and swaps left and right in its sentences; not when one of them cannot be."""

    probability: float = 0.5

    def __call__(self, view: View, random: np.random.Generator) -> View:
        """The mirrored view, or the view."""
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
    """Changes brightness, contrast and saturation; not the hue, which sentences name."""

    brightness: float = 0.2
    """Largest share by which it goes up or down."""
    contrast: float = 0.2
    saturation: float = 0.2

    def __call__(self, view: View, random: np.random.Generator) -> View:
        """Three shares, each drawn evenly."""
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
    """Left, top, right and bottom of all targets, in pixels of the masks; any place when there are none."""
    boxes = [box for box in map(box_of, view.masks) if box is not None]
    if not boxes:
        return 0, 0, 0, 0
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _window(length: int, share: float, first: int, last: int, where: float) -> slice:
    """That share of a side, or more to hold `first` to `last` when there is something; 0 ≤ where < 1."""
    kept = max(1, round(share * length), last - first)
    if last <= first:
        low, high = 0, length - kept
    else:
        low, high = max(0, last - kept), min(first, length - kept)
    start = low + int(where * (high - low + 1))
    return slice(start, start + kept)


def _times(part: slice, step: int) -> slice:
    return slice(part.start * step, part.stop * step)
