"""Reading of data sets: images at random, and samples by split without reading any image."""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32, UInt8

from cris.data.paths import inside
from cris.data.records import ImageRecord
from cris.data.store.decode import Reduction, decode_image
from cris.data.store.manifest import Manifest, read_manifest
from cris.data.store.shards import StoredRow, open_shard, read_row
from cris.errors import DamagedImageError, InputError


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Every sentence of some entries, by its location: three integers a sample, in the stored order."""

    image: Int32[np.ndarray, "samples"]
    """Index of the image in the data set."""
    entry: Int32[np.ndarray, "samples"]
    """Index of the entry within the image."""
    sentence: Int32[np.ndarray, "samples"]
    """Index of the sentence within the entry."""
    targets: Int32[np.ndarray, "samples"]
    """Number of objects that the entry means."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.image)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield image, entry and sentence of each sample."""
        return zip(self.image.tolist(), self.entry.tolist(), self.sentence.tolist(), strict=True)


class StoredDataset:
    """A data set on the disk, mapped into memory; shards are opened when they are needed.

    It can be pickled for other processes, which map the same files.

    Raises:
        InputError: the folder is not a data set, or has another schema version.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        """Folder of the data set."""
        self.manifest: Manifest = read_manifest(self.folder)
        self._ends = list(accumulate(shard.rows for shard in self.manifest.files))
        self._batches: dict[int, pa.RecordBatch] = {}

    def __len__(self) -> int:
        """Return the number of images."""
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[ImageRecord]:
        """Yield the images in their order."""
        return (self.image(index) for index in range(len(self)))

    def __reduce__(self) -> tuple[type["StoredDataset"], tuple[Path]]:
        """Return how another process opens the folder anew."""
        return StoredDataset, (self.folder,)

    def image(self, index: int) -> ImageRecord:
        """Return the image at that index, with everything that is known about it."""
        row = self.row(index)
        return read_row(row.batch, row.index)

    def row(self, index: int) -> StoredRow:
        """Return the image at that index, to read parts of."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must be within {len(self)} images, got {index}")
        shard = bisect.bisect_right(self._ends, index)
        return StoredRow(self.batch(shard), index - self._start(shard))

    def decode(
        self, row: StoredRow, longest: int | None = None
    ) -> tuple[UInt8[np.ndarray, "height width 3"], Reduction]:
        """Return the image of a row, possibly reduced, and its reduction (see `decode_image`).

        Raises:
            DamagedImageError: it cannot be decoded or has another size than stored.
        """
        try:
            image, reduction = decode_image(row.image, longest)
        except InputError as error:
            raise self.damaged(row, str(error)) from error
        size = (reduction * image.shape[0], reduction * image.shape[1])
        if size != row.size:
            (stored_height, stored_width), (height, width) = row.size, size
            raise self.damaged(row, f"expected {stored_width}×{stored_height} pixels, found {width}×{height}")
        return image, reduction

    def damaged(self, row: StoredRow, reason: str) -> DamagedImageError:
        """Return the error to raise where part of a row's image cannot be decoded."""
        where = f"{self.folder}, image {row.file_name}"
        return DamagedImageError(where, f"{reason}; cris data check lists all that are damaged")

    def samples(self, split: str | None = None) -> Samples:
        """Return the samples of a split, or of all splits.

        Raises:
            InputError: there is no such split.
        """
        if split is not None and split not in self.manifest.splits:
            known = ", ".join(self.manifest.splits) or "none"
            raise InputError(f"split must be one of {known} in {self.folder}, got {split!r}")
        parts = [_samples(self.batch(shard), self._start(shard), split) for shard in range(len(self._ends))]
        return Samples(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def batch(self, shard: int) -> pa.RecordBatch:
        """Return the rows of a shard, which stays open.

        Raises:
            InputError: it is missing, damaged, or differs from the manifest.
        """
        if shard not in self._batches:
            info = self.manifest.files[shard]
            path = inside(self.folder, info.name)
            if not path.is_file():
                raise InputError(f"{path} is missing: make the data set again")
            if path.stat().st_size != info.bytes:
                raise InputError(
                    f"{path} must have {info.bytes:,} bytes, got {path.stat().st_size:,}: it is damaged"
                )
            batch = open_shard(path)
            if len(batch) != info.rows:
                raise InputError(f"{path} must have {info.rows:,} rows, got {len(batch):,}")
            self._batches[shard] = batch
        return self._batches[shard]

    def _start(self, shard: int) -> int:
        return self._ends[shard - 1] if shard else 0


def _samples(
    batch: pa.RecordBatch, start: int, split: str | None
) -> tuple[Int32[np.ndarray, "n"], Int32[np.ndarray, "n"], Int32[np.ndarray, "n"], Int32[np.ndarray, "n"]]:
    """Return the samples by Arrow's offsets: going through rows in Python would take 1000 times as long."""
    entries = batch.column("entries")
    entry_counts = np.diff(entries.offsets.to_numpy())
    flat = entries.flatten()
    sentence_counts = pc.list_value_length(flat.field("sentences")).to_numpy(zero_copy_only=False)
    targets = pc.list_value_length(flat.field("object_ids")).to_numpy(zero_copy_only=False)
    image = np.repeat(np.arange(start, start + len(batch), dtype=np.int32), entry_counts)
    entry = _places(entry_counts)
    if split is not None:
        is_meant = pc.equal(flat.field("split"), split).to_numpy(zero_copy_only=False)
        image, entry, targets, sentence_counts = (
            column[is_meant] for column in (image, entry, targets, sentence_counts)
        )
    image, entry, targets = (np.repeat(column, sentence_counts) for column in (image, entry, targets))
    return image, entry, _places(sentence_counts), targets


def _places(counts: np.ndarray) -> Int32[np.ndarray, "n"]:
    """Return 0, 1, … up to each count in turn."""
    total = int(counts.sum())
    places: np.ndarray = np.arange(total, dtype=np.int32)
    places -= np.repeat(np.cumsum(counts) - counts, counts).astype(np.int32)
    return places
