"""Batches of frames as they come, and smoothing of their predictions over time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from cris.errors import InputError
from cris.image import ImageSource, read_image
from cris.prediction import Prediction, cut_of

Frame = UInt8[np.ndarray, "height width 3"]
"""One frame, upright, in RGB."""
_HELD_PIXELS = 2**28
"""Number of pixels of frames and masks held at a time."""


class Smoother:
    """Exponential average over time of the probability maps of some sentences, and of their presence.

    A frame of another size begins anew.
    """

    def __init__(self, smoothing: float, threshold: float, relative_threshold: float = 1.0) -> None:
        """Begin with nothing seen.

        Args:
            smoothing: weight of what came before, from 0 (none) to below 1.
            threshold: probability above which a pixel is found.
            relative_threshold: share of the peak above which it is, too, as `InferenceConfig` has it.

        Raises:
            InputError: smoothing is out of range.
        """
        if not 0 <= smoothing < 1:
            raise InputError(f"smoothing must be at least 0 and below 1, got {smoothing:g}")
        self.smoothing = smoothing
        self.threshold = threshold
        self.relative_threshold = relative_threshold
        self.size: tuple[int, int] | None = None
        """Height and width of the last frame; None before the first."""
        self.grids: Float32[np.ndarray, "sentences cells cells"] | None = None
        """Average probability maps; None before the first frame."""
        self.presence: list[float | None] = []
        """Average presence of each sentence; None of models that do not tell."""

    def __call__(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Return the next frame's predictions, one for each sentence, averaged with those before."""
        if not self.smoothing or not predictions:
            return list(predictions)
        size = predictions[0].mask.shape
        grids = np.stack([each.grid for each in predictions])
        presence = [each.present for each in predictions]
        if self.grids is not None and size == self.size:
            old, new = np.float32(self.smoothing), np.float32(1 - self.smoothing)
            grids = old * self.grids + new * grids
            presence = [
                None
                if now is None or before is None
                else self.smoothing * before + (1 - self.smoothing) * now
                for before, now in zip(self.presence, presence, strict=True)
            ]
        self.size, self.grids, self.presence = size, grids, presence
        return [
            self._masked(replace(each, grid=grid, present=present))
            for each, grid, present in zip(predictions, grids, presence, strict=True)
        ]

    def _masked(self, averaged: Prediction) -> Prediction:
        return averaged.at_threshold(cut_of(averaged.peak, self.threshold, self.relative_threshold))


def batches_of(frames: Iterable[ImageSource], size: int, sentences: int) -> Iterator[list[Frame]]:
    """Return batches of up to `size` frames of one shape: fewer where they and their masks would be large.

    Raises InputError at once for a path in place of frames.
    """
    if isinstance(frames, str | bytes | Path):
        raise InputError(
            f"frames must come one by one, got {frames!r}: read a file with cris.video.reading.VideoFile"
        )
    return _batches(map(read_image, frames), size, 3 + sentences)


def _batches(frames: Iterable[Frame], size: int, layers: int) -> Iterator[list[Frame]]:
    batch: list[Frame] = []
    for frame in frames:
        if batch and frame.shape != batch[0].shape:
            yield batch
            batch = []
        batch.append(frame)
        pixels = frame.shape[0] * frame.shape[1]
        if len(batch) >= size or (len(batch) + 1) * layers * pixels > _HELD_PIXELS:
            yield batch
            batch = []
    if batch:
        yield batch
