"""Transforms between an image's own pixels and the network's square: inputs there, answers back."""

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Literal, get_args

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from cris.errors import InputError

Protocol = Literal["default", "released"]

MEAN_RGB = (0.48145466, 0.4578275, 0.40821073)
"""CLIP's mean colour, as shares of 255; also the colour around the image."""
STD_RGB = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's standard deviation of each colour, as shares of 255."""
CELL = 4
"""Side of a cell of the network's answer, in pixels of its input."""

HALF_COVERED = 0.5
"""Share of its area from which a pixel belongs to a true mask that was drawn on the grid."""
_PADDING_RGB = [255 * mean for mean in MEAN_RGB]
_LONGEST_WARPED = 32766
"""Pixels a side that OpenCV 4 can warp."""


@dataclass(frozen=True)
class Letterbox:
    """Fit of an image into the network's square input, and of the network's answer back to the image.

    default: the image covers whole cells of the answer, so that no cell mixes image and padding; pixels
    are averaged when it shrinks, and the answer is read at pixel centres, from the image's own cells alone.
    released: the released code's one affine warp, to the letter (no averaging, no half-pixel shift).
    """

    height: int
    """Image height, in pixels."""
    width: int
    """Image width, in pixels."""
    size: int
    """Side of the network's input, in pixels; divisible by 32."""
    protocol: Protocol = "default"
    """Resampling protocol: ours, or the released code's."""

    def __post_init__(self) -> None:
        """Raise InputError for impossible sizes."""
        assert self.protocol in get_args(Protocol), self.protocol
        if self.size < 32 or self.size % 32:
            raise InputError(f"the input size must be a positive multiple of 32 pixels, got {self.size}")
        if self.height < 1 or self.width < 1:
            raise InputError(f"an image has at least one pixel, got {self.height}×{self.width}")
        if self.protocol == "released" and max(self.height, self.width) > _LONGEST_WARPED:
            raise InputError(
                f"the released protocol reads images of at most {_LONGEST_WARPED} pixels a side, "
                f"got {self.height}×{self.width}: shrink the image or use the default protocol"
            )

    def apply(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "size size 3"]:
        """Return the image in the network's square, CLIP's mean colour around it."""
        self._check(image)
        if self.protocol == "released":
            return self._warp_in(image, cv2.INTER_CUBIC, border=_PADDING_RGB)
        rows, columns = self._image
        return cv2.copyMakeBorder(
            self._resize_in(image, cv2.INTER_CUBIC),
            *(rows.start, self.size - rows.stop, columns.start, self.size - columns.stop),
            cv2.BORDER_CONSTANT,
            value=np.round(_PADDING_RGB).tolist(),
        )

    def apply_mask(self, mask: Bool[np.ndarray, "height width"]) -> Float32[np.ndarray, "size size"]:
        """Return the share of each pixel of the network's square that the mask covers; 0 around the image."""
        self._check(mask)
        lit = mask.astype(np.uint8) * np.uint8(255)
        if self.protocol == "released":
            square = self._warp_in(lit, cv2.INTER_LINEAR, border=[0.0])
        else:
            square = np.zeros((self.size, self.size), dtype=np.uint8)
            square[self._image] = self._resize_in(lit, cv2.INTER_LINEAR)
        return square.astype(np.float32) / np.float32(255)

    def restore(self, grid: Float32[np.ndarray, "cells cells"]) -> Float32[np.ndarray, "height width"]:
        """Return the network's answer, one value a cell, at the image's own size.

        Both protocols interpolate cubically, so values reach a little beyond those of the grid.
        """
        assert grid.shape == (self.size // CELL, self.size // CELL)
        if self.protocol == "released":
            enlarge = _cubic_enlargement(len(grid), CELL)
            square = enlarge @ grid @ enlarge.T
            return cv2.warpAffine(
                square, self._affine(is_inverse=True), (self.width, self.height), flags=cv2.INTER_CUBIC
            )
        return cv2.resize(grid[self.cells], (self.width, self.height), interpolation=cv2.INTER_CUBIC)

    @property
    def cells(self) -> tuple[slice, slice]:
        """Return the rows and columns of the grid of answers that lie on the image, at least in part."""
        if self.protocol == "default":
            rows, columns = self._image
            return slice(rows.start // CELL, rows.stop // CELL), slice(
                columns.start // CELL, columns.stop // CELL
            )
        scale = min(self.size / self.height, self.size / self.width)
        top, left = (self.size - scale * self.height) / 2, (self.size - scale * self.width) / 2
        return (
            slice(int(top / CELL), ceil((self.size - top) / CELL)),
            slice(int(left / CELL), ceil((self.size - left) / CELL)),
        )

    def cell_colours(self, square: UInt8[np.ndarray, "size size 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
        """Return the mean colour of each of the image's cells, from the network's square."""
        side = self.size // CELL
        return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)[self.cells]

    @property
    def _image(self) -> tuple[slice, slice]:
        """Return the rows and columns of the square that the image covers, in whole cells."""
        scale = min(self.size / self.height, self.size / self.width)
        return self._span(scale * self.height), self._span(scale * self.width)

    def _span(self, length: float) -> slice:
        cells = max(1, round(length / CELL))
        start = CELL * ((self.size // CELL - cells) // 2)
        return slice(start, start + CELL * cells)

    def _resize_in(self, pixels: np.ndarray, enlarge: int) -> np.ndarray:
        rows, columns = (part.stop - part.start for part in self._image)
        smaller = (min(columns, self.width), min(rows, self.height))
        # two steps, because OpenCV averages only where both sides shrink; one of them changes nothing
        averaged = cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA)
        return cv2.resize(averaged, (columns, rows), interpolation=enlarge)

    def _warp_in(self, pixels: np.ndarray, interpolation: int, border: list[float]) -> np.ndarray:
        return cv2.warpAffine(
            pixels, self._affine(), (self.size, self.size), flags=interpolation, borderValue=border
        )

    def _affine(self, *, is_inverse: bool = False) -> Float64[np.ndarray, "2 3"]:
        """Return the released code's matrix, from the image to the square or back."""
        scale = min(self.size / self.height, self.size / self.width)
        width, height = scale * self.width, scale * self.height
        left, top = (self.size - width) / 2, (self.size - height) / 2
        corners = np.array([[0, 0], [self.width, 0], [0, self.height]], dtype=np.float32)
        placed = np.array([[left, top], [left + width, top], [left, top + height]], dtype=np.float32)
        return (
            cv2.getAffineTransform(placed, corners) if is_inverse else cv2.getAffineTransform(corners, placed)
        )

    def _check(self, pixels: np.ndarray) -> None:
        assert pixels.shape[:2] == (self.height, self.width), (pixels.shape, self)


@dataclass(frozen=True)
class Stretch:
    """Placement of an answer that covers the whole image, at whatever size: it is read bilinearly."""

    height: int
    """Image height, in pixels."""
    width: int
    """Image width, in pixels."""

    @property
    def cells(self) -> tuple[slice, slice]:
        """Return the rows and columns of the answer that lie on the image: all of them."""
        return slice(None), slice(None)

    def restore(self, grid: Float32[np.ndarray, "rows columns"]) -> Float32[np.ndarray, "height width"]:
        """Return the answer at the image's own size."""
        return cv2.resize(grid, (self.width, self.height), interpolation=cv2.INTER_LINEAR)


Placement = Letterbox | Stretch
"""Fit of a model's answer to the image."""


def normalise(
    images: UInt8[np.ndarray, "*batch height width 3"],
) -> Float32[np.ndarray, "*batch 3 height width"]:
    """Return the network's input: colours over 255, less their mean, over their standard deviation."""
    scale, shift = normalisation()
    return np.ascontiguousarray(np.moveaxis(images * scale - shift, -1, -3))


def normalisation() -> tuple[Float32[np.ndarray, "3"], Float32[np.ndarray, "3"]]:
    """Return scale and shift of each colour: the network's input is levels · scale - shift."""
    std = np.array(STD_RGB, dtype=np.float32)
    return np.float32(1) / (np.float32(255) * std), np.array(MEAN_RGB, dtype=np.float32) / std


def ceiling(mask: Bool[np.ndarray, "height width"], size: int, protocol: Protocol) -> float:
    """Return the IoU that a perfect network would reach: the true mask brought to the grid and back.

    A pixel is found where more than half of its area is covered, whatever a model's own threshold is.
    """
    letterbox = Letterbox(mask.shape[0], mask.shape[1], size, protocol)
    cells = size // CELL
    grid = letterbox.apply_mask(mask).reshape(cells, CELL, cells, CELL).mean(axis=(1, 3))
    found = letterbox.restore(grid) > HALF_COVERED
    return float((found & mask).sum() / max((found | mask).sum(), 1))


@cache
def _cubic_enlargement(cells: int, factor: int) -> Float32[np.ndarray, "pixels cells"]:
    """Return each cell's weight in each pixel; first and last pixel lie on such cells (align_corners)."""
    pixels = cells * factor
    places = np.arange(pixels) * (cells - 1) / (pixels - 1)
    first = np.floor(places).astype(int) - 1
    weights = np.zeros((pixels, cells))
    for tap in range(4):
        cell = first + tap
        np.add.at(weights, (np.arange(pixels), cell.clip(0, cells - 1)), _cubic(places - cell))
    return weights.astype(np.float32)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Return Keys' kernel with a = -0.75, as OpenCV and torch have it."""
    x = np.abs(distance)
    near = 1.25 * x**3 - 2.25 * x**2 + 1
    far = -0.75 * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
