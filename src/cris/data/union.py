"""Several data sets as one, for training without images that any of them evaluates on."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from cris.data.dataset import AnnotatedImage, Dataset, SampleIndex, View
from cris.data.store.reading import StoredDataset
from cris.data.stored import StoredSplit
from cris.data.subset import Subset
from cris.errors import InputError


class UnionDataset(Dataset):
    """Samples of several data sets, one after the other."""

    def __init__(self, parts: Sequence[Dataset]) -> None:
        self.parts = parts
        self.name = " and ".join(part.name for part in parts)
        self.split = parts[0].split
        self.identity = ["union", [part.identity for part in parts]]
        targets = [part.index.targets for part in parts]
        known = [each for each in targets if each is not None]
        self.index = SampleIndex(
            targets=np.concatenate(known) if len(known) == len(parts) else None,
            image=_joined([part.index.image for part in parts]),
            entry=_joined([part.index.entry for part in parts]),
        )
        self._samples = [0, *accumulate(len(part) for part in parts)]
        self._images = [0, *accumulate(part.image_count for part in parts)]

    def image(self, number: int) -> AnnotatedImage:
        """Return an image of the data set that it comes from."""
        if not 0 <= number < self.image_count:
            raise IndexError(f"number must be within {self.image_count} images, got {number}")
        part = bisect_right(self._images, number) - 1
        image = self.parts[part].image(number - self._images[part])
        references = (replace(each, sample=each.sample + self._samples[part]) for each in image.references)
        return replace(image, references=tuple(references))

    def view(self, samples: Sequence[int], longest: int | None = None, *, sentences: int = 0) -> View:
        """Return samples of one image, as the data set that it comes from has them."""
        part = bisect_right(self._samples, samples[0]) - 1
        places = [sample - self._samples[part] for sample in samples]
        return self.parts[part].view(places, longest, sentences=sentences)

    def rows(self) -> list[tuple[StoredDataset, int]] | None:
        """Return the stored data set and row of each image; None unless all parts are stored."""
        rows = [part.rows() for part in self.parts]
        return None if None in rows else [row for part in rows for row in part or ()]


def open_union(folders: Sequence[Path | str], split: str) -> UnionDataset:
    """Return one split of several stored data sets; one of them may lack the split.

    From the split `train`, images are left out that any of the data sets holds in another split. An image is
    identified by its id, so all must number their images alike, as those made from COCO do.

    Raises:
        InputError: a folder is not a data set, or none has the split, or nothing of it is left.
    """
    stored = [StoredDataset(folder) for folder in folders]
    having = [each for each in stored if split in each.manifest.splits]
    if not having:
        known = sorted({name for each in stored for name in each.manifest.splits})
        raise InputError(f"split must be one of {', '.join(known)}, got {split!r}")
    held_out = set().union(*map(_held_out, stored)) if split == "train" else set()
    parts = [_without(StoredSplit(each.folder, split), held_out) for each in having]
    parts = [part for part in parts if len(part)]
    if not parts:
        raise InputError(
            f"every image of split {split} is held out by one of {', '.join(map(str, folders))}: "
            "images are compared by their ids, so all must number them alike"
        )
    return UnionDataset(parts)


def _without(part: StoredSplit, held_out: set[int]) -> Dataset:
    """Return the data set without these images."""
    ids = np.array(_image_ids(part.stored), dtype=np.int64)[[row for _, row in part.rows()]]
    kept = np.flatnonzero(~np.isin(ids, list(held_out))[part.index.image])
    return part if len(kept) == len(part) else Subset(part, kept)


def _held_out(stored: StoredDataset) -> set[int]:
    """Return the ids of images in splits other than train."""
    splits = [split for split in stored.manifest.splits if split != "train"]
    rows = {int(row) for split in splits for row in np.unique(stored.samples(split).image)}
    ids = _image_ids(stored)
    return {ids[row] for row in rows}


def _image_ids(stored: StoredDataset) -> list[int]:
    """Return the ids of all images, in order; read by column, as rows would load the images themselves."""
    shards = range(len(stored.manifest.files))
    return [int(each) for shard in shards for each in stored.batch(shard).column("picture_id").to_pylist()]


def _joined(numbers: Sequence[Int64[np.ndarray, "_"]]) -> Int64[np.ndarray, "samples"]:
    """Return numbers from 0 without gaps, counted on through all parts; none of them is empty."""
    firsts = [0, *accumulate(int(part[-1]) + 1 for part in numbers)]
    return np.concatenate([part + first for part, first in zip(numbers, firsts, strict=False)])
