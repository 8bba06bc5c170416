"""What a model learns from: samples, several of them as one view of a picture, and where each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from cris.data.store.decode import Reduction
from cris.data.store.reading import StoredDataset


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sample:
    """One picture, one sentence, one mask, at the picture's own size."""

    image: UInt8[np.ndarray, "height width 3"]
    """RGB."""
    sentence: str
    mask: Bool[np.ndarray, "height width"]
    """Everything that the sentence means; empty when it means nothing in the picture."""
    picture_id: int
    ref_id: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """One picture and some sentences about it, on their way to the network."""

    image: UInt8[np.ndarray, "image_height image_width 3"]
    """RGB; each pixel stands for `reduction`² of the masks'."""
    sentences: tuple[str, ...]
    masks: tuple[Bool[np.ndarray, "height width"], ...]
    """What the sentences mean, each once."""
    meant: tuple[int, ...]
    """Which mask each sentence means."""
    reduction: Reduction = 1
    """Pixels of a mask, along each side, for one of the image."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleIndex:
    """What the samples of a data set are about; samples of one picture, and of one entry, stand together."""

    picture: Int64[np.ndarray, "samples"]
    """Which picture, 0 or more."""
    entry: Int64[np.ndarray, "samples"]
    """Which referred object (or objects), counted through the data set from 0 without gaps."""

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.picture)


@runtime_checkable
class Referring(Protocol):
    """What a loader reads: samples by index, and several of one picture at once."""

    index: SampleIndex

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def __getitem__(self, place: int) -> Sample:
        """The sample at that place."""
        ...

    def view(self, samples: Sequence[int], longest: int | None = None) -> View:
        """Samples of one picture, which is read once.

        Args:
            samples: their indices.
            longest: pixels that the longer side needs; what has twice as many or more may come reduced.

        Raises:
            DamagedImageError: the picture or a mask cannot be decoded.
        """
        ...


@runtime_checkable
class Stored(Protocol):
    """Samples whose pictures are rows of stored data sets."""

    split: str
    index: SampleIndex

    def rows(self) -> list[tuple[StoredDataset, int]]:
        """Return the data set and row of each picture, in the order of the index."""
        ...
