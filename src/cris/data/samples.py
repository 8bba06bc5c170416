"""Training data: samples, several of them as one view of an image, and the index of samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from cris.data.store.decode import Reduction
from cris.data.store.reading import StoredDataset


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sample:
    """One image, one sentence and one mask, at the image's own size."""

    image: UInt8[np.ndarray, "height width 3"]
    """RGB image."""
    sentence: str
    mask: Bool[np.ndarray, "height width"]
    """Mask of everything that the sentence means; empty when it means nothing in the image."""
    picture_id: int
    ref_id: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """One image and some sentences about it, on their way to the network."""

    image: UInt8[np.ndarray, "image_height image_width 3"]
    """RGB image; each pixel stands for `reduction`² of the masks'."""
    sentences: tuple[str, ...]
    masks: tuple[Bool[np.ndarray, "height width"], ...]
    """Distinct masks that the sentences mean."""
    meant: tuple[int, ...]
    """Index of the mask that each sentence means."""
    reduction: Reduction = 1
    """Mask pixels, along each side, per image pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleIndex:
    """Images and entries of a data set's samples; samples of one image, and of one entry, are adjacent."""

    picture: Int64[np.ndarray, "samples"]
    """Index of the image, 0 or more."""
    entry: Int64[np.ndarray, "samples"]
    """Index of the referred object (or objects), counted through the data set from 0 without gaps."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.picture)


@runtime_checkable
class Referring(Protocol):
    """Interface that a loader reads: samples by index, and several of one image at once."""

    index: SampleIndex

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, place: int) -> Sample:
        """Return the sample at that index."""
        ...

    def view(self, samples: Sequence[int], longest: int | None = None) -> View:
        """Return samples of one image, which is read once.

        Args:
            samples: their indices.
            longest: pixels that the longer side needs; an image with twice as many or more may come reduced.

        Raises:
            DamagedImageError: the image or a mask cannot be decoded.
        """
        ...


@runtime_checkable
class Stored(Protocol):
    """Samples whose images are rows of stored data sets."""

    split: str
    index: SampleIndex

    def rows(self) -> list[tuple[StoredDataset, int]]:
        """Return the data set and row of each image, in the order of the index."""
        ...
