"""Guided filter: edges of a probability map move to those of the image (He et al., TPAMI 2013)."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

EPSILON = 1e-4
"""Variance of colour, in shares of 1, below which a window counts as flat and is averaged."""


class GuidedFilter:
    """Filter of maps that lie on one image, which is analysed once.

    Within each window the map is approximated by a linear function of the image's colours, so that it may
    change where they do, and averaged over all windows that hold the cell.
    """

    def __init__(self, guide: UInt8[np.ndarray, "height width 3"], radius: int) -> None:
        """Analyse an RGB image at the size of the maps; windows are 2·radius + 1 cells wide and high."""
        self._side = 2 * radius + 1
        self._colours = guide.astype(np.float32) / np.float32(255)
        self._mean = self._average(self._colours)
        products = self._colours[..., :, None] * self._colours[..., None, :]
        spread = np.stack([self._average(products[..., channel, :]) for channel in range(3)], axis=-2)
        covariance = spread - self._mean[..., :, None] * self._mean[..., None, :]
        self._inverse = np.linalg.inv(covariance + np.float32(EPSILON) * np.eye(3, dtype=np.float32))

    @property
    def nbytes(self) -> int:
        """Return the memory that keeping it takes, in bytes."""
        return self._colours.nbytes + self._mean.nbytes + self._inverse.nbytes

    def __call__(self, values: Float32[np.ndarray, "height width"]) -> Float32[np.ndarray, "height width"]:
        """Return the filtered probabilities, still within 0 and 1."""
        mean = self._average(values)
        with_colours = self._average(self._colours * values[..., None]) - self._mean * mean[..., None]
        slope = (self._inverse @ with_colours[..., None])[..., 0]
        offset = mean - (slope * self._mean).sum(axis=-1)
        line = self._average(np.dstack([slope, offset]))
        filtered = (line[..., :3] * self._colours).sum(axis=-1) + line[..., 3]
        filtered.clip(0, 1, out=filtered)
        return filtered  # type: ignore[no-any-return]

    def _average(self, values: np.ndarray) -> np.ndarray:
        """Return each cell's mean over its window; beyond the border the image is mirrored."""
        return cv2.blur(values, (self._side, self._side), borderType=cv2.BORDER_REFLECT)
