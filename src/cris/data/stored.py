"""A split of a stored data set."""

from collections.abc import Sequence
from functools import partial, reduce
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cris.data.dataset import (
    AnnotatedImage,
    AnnotatedObject,
    Dataset,
    Reference,
    SampleIndex,
    View,
    in_turn,
    numbered,
)
from cris.data.records import ObjectRecord, ReferringEntry
from cris.data.store.reading import StoredDataset
from cris.data.store.shards import StoredRow
from cris.errors import InputError
from cris.masks import Rle, decode_rle


class StoredSplit(Dataset):
    """Samples of one split of a stored data set; it can be pickled for other processes.

    Raises:
        InputError: the folder is not a data set, or has no such split.
    """

    def __init__(self, folder: Path | str, split: str) -> None:
        self.stored = StoredDataset(folder)
        self.name = str(folder)
        self.split = split
        self._samples = self.stored.samples(split)
        image = self._samples.image.astype(np.int64)
        # an entry begins where another image or another entry does
        begins = np.diff(image, prepend=-1) | np.diff(self._samples.entry, prepend=-1)
        self.index = SampleIndex(
            image=numbered(image),
            entry=np.cumsum(begins != 0) - 1,
            targets=self._samples.targets.astype(np.int64),
        )
        shards = [shard.sha256 for shard in self.stored.manifest.files]
        self.identity = ["stored", shards, split, len(self)]

    def image(self, number: int) -> AnnotatedImage:
        """Read an image.

        Raises:
            IndexError: there are not as many.
            DamagedImageError: it is damaged, or what a sentence means has no mask.
        """
        if not 0 <= number < self.image_count:
            raise IndexError(f"number must be within {self.image_count} images, got {number}")
        samples = self.index.of_image(number)
        row = self._row(samples[0])
        image, _ = self.stored.decode(row)
        records = row.objects
        objects = tuple(
            AnnotatedObject(each.category, partial(self._object_mask, row, each)) for each in records
        )
        entries = row.entries
        references = tuple(
            self._reference(row, records, objects, entries[int(self._samples.entry[sample])], sample)
            for sample in samples
        )
        return AnnotatedImage(
            name=row.file_name,
            picture_id=row.picture_id,
            image=image,
            objects=objects,
            references=references,
        )

    def view(self, samples: Sequence[int], longest: int | None = None, *, sentences: int = 0) -> View:
        """Return samples of one image (see `Dataset`), of which nothing else is read."""
        row = self._row(samples[0])
        image, reduction = self.stored.decode(row, longest)
        told = in_turn(samples, sentences)
        entries = [row.entry(int(self._samples.entry[sample])) for sample in told]
        return View.of(
            image,
            [
                entry.sentences[int(self._samples.sentence[sample])]
                for entry, sample in zip(entries, told, strict=True)
            ],
            [entry.object_ids for entry in entries],
            partial(self._mask, row),
            reduction,
        )

    def rows(self) -> list[tuple[StoredDataset, int]]:
        """Return the stored data set and row of each image."""
        return [(self.stored, row) for row in np.unique(self._samples.image).tolist()]

    def _row(self, sample: int) -> StoredRow:
        return self.stored.row(int(self._samples.image[sample]))

    def _reference(
        self,
        row: StoredRow,
        records: Sequence[ObjectRecord],
        objects: Sequence[AnnotatedObject],
        entry: ReferringEntry,
        sample: int,
    ) -> Reference:
        targets = tuple(number for number, each in enumerate(records) if each.id in entry.object_ids)
        if len(targets) < len(entry.object_ids) or not all(objects[target].mask.any() for target in targets):
            raise self.stored.damaged(
                row, f"entry {entry.ref_id} means an object without a mask, so it cannot be measured"
            )
        return Reference(
            sample=sample,
            ref_id=entry.ref_id,
            sentence=entry.sentences[int(self._samples.sentence[sample])],
            targets=targets,
        )

    def _mask(self, row: StoredRow, object_ids: tuple[int, ...]) -> Bool[np.ndarray, "height width"]:
        what = f"a mask of the objects {object_ids}"
        masks = [self._decoded(row, rle, what) for rle in row.rles(object_ids)]
        return reduce(np.logical_or, masks) if masks else np.zeros(row.size, dtype=bool)

    def _object_mask(self, row: StoredRow, record: ObjectRecord) -> Bool[np.ndarray, "height width"]:
        return self._decoded(row, record.rle, f"the mask of object {record.id}")

    def _decoded(self, row: StoredRow, rle: Rle, what: str) -> Bool[np.ndarray, "height width"]:
        try:
            mask = decode_rle(rle)
        except InputError as error:
            raise self.stored.damaged(row, f"{what}: {error}") from error
        if mask.shape != row.size:
            height, width = row.size
            raise self.stored.damaged(
                row,
                f"{what} must have the image's {height}×{width} pixels, got {mask.shape[0]}×{mask.shape[1]}",
            )
        return mask
