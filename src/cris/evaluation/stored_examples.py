"""Images of a stored data set, in the form that an evaluation goes through."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cris.data.dataset import ReferringDataset
from cris.data.records import PictureRecord, ReferringEntry
from cris.errors import InputError
from cris.evaluation.examples import Example, Thing, Truth, check_limit
from cris.evaluation.kinds import kind_of
from cris.masks import decode_rle


class StoredExamples:
    """First `limit` samples of a split (all by default), image by image.

    Raises:
        InputError: the folder is no data set, or has no such split, or no sentences in it.
    """

    def __init__(self, folder: Path | str, split: str, limit: int | None = None) -> None:
        check_limit(limit)
        self.dataset = ReferringDataset(folder, split)
        self.split = split
        samples = self.dataset.stored.samples(split)
        self.sentences = min(limit or len(samples), len(samples))
        if not self.sentences:
            raise InputError(f"split {split!r} of {folder} has no sentences: there is nothing to measure")
        self._entries = samples.entry[: self.sentences]
        self._texts = samples.sentence[: self.sentences]
        pictures = samples.picture[: self.sentences]
        starts = np.flatnonzero(np.diff(pictures, prepend=-1))
        self._pictures = pictures[starts]
        self._ends = np.append(starts, self.sentences)

    @property
    def identity(self) -> object:
        """Return the contents of the data set's files, the split and how much of it."""
        shards = [shard.sha256 for shard in self.dataset.stored.manifest.files]
        return ["stored", shards, self.split, self.sentences]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._pictures)

    def __iter__(self) -> Iterator[Example]:
        """Read one image after the other."""
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: int) -> Example:
        """Read an image.

        Raises:
            IndexError: there are not as many.
            InputError: the image or a mask is damaged, or what a sentence means has no mask.
        """
        if not 0 <= place < len(self):
            raise IndexError(f"place must be within {len(self)} pictures, got {place}")
        samples = range(int(self._ends[place]), int(self._ends[place + 1]))
        record = self.dataset.stored.picture(int(self._pictures[place]))
        where = f"{self.dataset.stored.folder}, picture {record.file_name}"
        objects = tuple(
            Thing(category=each.category, mask=_mask(record, each.rle, f"{where}, object {each.id}"))
            for each in record.objects
        )
        return Example(
            name=record.file_name,
            picture_id=record.picture_id,
            image=self.dataset.view([samples[0]]).image,
            objects=objects,
            truths=tuple(self._truth(record, objects, sample, where) for sample in samples),
        )

    def _truth(self, record: PictureRecord, objects: tuple[Thing, ...], sample: int, where: str) -> Truth:
        entry = record.entries[int(self._entries[sample])]
        sentence = entry.sentences[int(self._texts[sample])]
        targets = _targets(record, entry)
        if len(targets) < len(entry.object_ids) or not all(objects[target].mask.any() for target in targets):
            raise InputError(
                f"{where}: entry {entry.ref_id} means an object without a mask, so it cannot be measured; "
                "cris data check lists all of them"
            )
        return Truth(
            sample=sample, ref_id=entry.ref_id, sentence=sentence, kind=kind_of(sentence), targets=targets
        )


def _targets(record: PictureRecord, entry: ReferringEntry) -> tuple[int, ...]:
    return tuple(place for place, each in enumerate(record.objects) if each.id in entry.object_ids)


def _mask(record: PictureRecord, rle: object, where: str) -> np.ndarray:
    try:
        mask = decode_rle(rle)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if mask.shape != (record.height, record.width):
        raise InputError(
            f"{where}: its mask must have the picture's {record.height}×{record.width} pixels, "
            f"got {mask.shape[0]}×{mask.shape[1]}; cris data check lists all of them"
        )
    return mask
