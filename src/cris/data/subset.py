"""Some samples of a data set, as a data set."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from cris.data.dataset import AnnotatedImage, Dataset, SampleIndex, View, numbered
from cris.errors import InputError

if TYPE_CHECKING:
    from cris.data.store.reading import StoredDataset


class Subset(Dataset):
    """Samples of another data set in their order, numbered anew."""

    def __init__(self, whole: Dataset, samples: Int64[np.ndarray, "part"]) -> None:
        """Take the samples' indices in the whole, ascending."""
        self.whole = whole
        self.samples = samples
        self.name, self.split = whole.name, whole.split
        targets = whole.index.targets
        self.index = SampleIndex(
            image=numbered(whole.index.image[samples]),
            entry=numbered(whole.index.entry[samples]),
            targets=None if targets is None else targets[samples],
        )
        digest = hashlib.sha256(np.ascontiguousarray(samples, dtype="<i8").tobytes()).hexdigest()
        self.identity = [whole.identity, len(samples), digest]

    def image(self, number: int) -> AnnotatedImage:
        """Return an image with those of its references that are among the samples."""
        kept = self.index.of_image(number)
        if not kept:
            raise IndexError(f"number must be within {self.image_count} images, got {number}")
        image = self.whole.image(self._number(number))
        new = {int(self.samples[sample]): sample for sample in kept}
        references = (
            replace(each, sample=new[each.sample]) for each in image.references if each.sample in new
        )
        return replace(image, references=tuple(references))

    def view(self, samples: Sequence[int], longest: int | None = None, *, sentences: int = 0) -> View:
        """Return samples of one image, as the whole has them."""
        return self.whole.view(
            [int(self.samples[sample]) for sample in samples], longest, sentences=sentences
        )

    def rows(self) -> "list[tuple[StoredDataset, int]] | None":
        """Return the stored data set and row of each image; None unless the whole is stored."""
        rows = self.whole.rows()
        return None if rows is None else [rows[self._number(number)] for number in range(self.image_count)]

    def _number(self, number: int) -> int:
        """Return an image's number in the whole."""
        return int(self.whole.index.image[self.samples[self.index.of_image(number).start]])


def first(dataset: Dataset, limit: int | None) -> Dataset:
    """Return the first `limit` samples; the data set itself where it has no more, or there is no limit.

    Raises:
        InputError: the limit leaves nothing.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 sample, got {limit}")
    return dataset if limit is None or limit >= len(dataset) else Subset(dataset, np.arange(limit))


def whole_of(dataset: Dataset) -> Dataset:
    """Return the data set that this one is a part of, or itself."""
    return whole_of(dataset.whole) if isinstance(dataset, Subset) else dataset
