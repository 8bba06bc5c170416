"""Several data sets as one for training, without images that any of them evaluates on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cris.data.dataset import ReferringDataset
from cris.data.samples import Sample, SampleIndex, View
from cris.data.store.reading import StoredDataset
from cris.errors import InputError


class UnionDataset:
    """Samples of one split of several data sets, one after the other; a data set may lack the split.

    From the split `train`, images are left out that any of the data sets holds in another split. An image is
    identified by its id, so all must number their images alike, as those made from COCO do.

    Raises:
        InputError: a folder is not a data set, or none has the split.
    """

    def __init__(self, folders: Sequence[Path | str], split: str) -> None:
        stored = [StoredDataset(folder) for folder in folders]
        having = [each for each in stored if split in each.manifest.splits]
        if not having:
            known = sorted({name for each in stored for name in each.manifest.splits})
            raise InputError(f"split must be one of {', '.join(known)}, got {split!r}")
        self.split = split
        self.parts = [ReferringDataset(each.folder, split) for each in having]
        held_out = set().union(*map(_held_out, stored)) if split == "train" else set()
        self._part, self._place = _kept(self.parts, held_out)
        if not len(self._part):
            raise InputError(
                f"every picture of split {split} is held out by one of {', '.join(map(str, folders))}: "
                "pictures are compared by their ids, so all must number them alike"
            )
        self.index = _joined(self.parts, self._part, self._place)

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self._part)

    def __getitem__(self, place: int) -> Sample:
        """Return the sample at that index; negative ones count from the end."""
        part: ReferringDataset = self.parts[self._part[place]]
        return part[int(self._place[place])]

    def rows(self) -> list[tuple[StoredDataset, int]]:
        """Return the data set and row of each image, in the order of the index."""
        return [
            (part.stored, row)
            for number, part in enumerate(self.parts)
            for row in np.unique(part.index.picture[self._place[self._part == number]]).tolist()
        ]

    def view(self, samples: Sequence[int], longest: int | None = None) -> View:
        """Return samples of one image, which is read once (see `Referring`)."""
        places = [int(self._place[sample]) for sample in samples]
        part: ReferringDataset = self.parts[self._part[samples[0]]]
        return part.view(places, longest)


def _held_out(stored: StoredDataset) -> set[int]:
    """Return the ids of images in splits other than train."""
    splits = [split for split in stored.manifest.splits if split != "train"]
    rows = {int(row) for split in splits for row in np.unique(stored.samples(split).picture)}
    ids = _picture_ids(stored)
    return {ids[row] for row in rows}


def _picture_ids(stored: StoredDataset) -> list[int]:
    """Return the ids of all images, in order; read by column, as rows would load the images themselves."""
    shards = range(len(stored.manifest.files))
    return [int(each) for shard in shards for each in stored.batch(shard).column("picture_id").to_pylist()]


def _kept(parts: Sequence[ReferringDataset], held_out: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the data set of each remaining sample and its index there."""
    which, places = [], []
    for number, part in enumerate(parts):
        ids = np.array(_picture_ids(part.stored), dtype=np.int64)[part.index.picture]
        kept = np.flatnonzero(~np.isin(ids, list(held_out)))
        which.append(np.full(len(kept), number))
        places.append(kept)
    return np.concatenate(which), np.concatenate(places)


def _joined(parts: Sequence[ReferringDataset], which: np.ndarray, places: np.ndarray) -> SampleIndex:
    """Return images and entries counted through all data sets; entries without gaps."""
    pictures, entries = np.empty_like(places), np.empty_like(places)
    first_picture = first_entry = 0
    for number, part in enumerate(parts):
        mine = which == number
        pictures[mine] = part.index.picture[places[mine]] + first_picture
        entries[mine] = part.index.entry[places[mine]] + first_entry
        first_picture += len(part.stored)
        first_entry += int(part.index.entry.max()) + 1
    begins = np.diff(entries, prepend=-1) != 0
    return SampleIndex(picture=pictures, entry=np.cumsum(begins) - 1)
