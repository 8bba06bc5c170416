"""Shards: Arrow IPC files of one batch of images each, mapped into memory."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.store.schema import (
    SCHEMA,
    entry_from_fields,
    from_row,
    object_from_fields,
    with_added_columns,
)
from cris.errors import InputError
from cris.masks import Rle


def open_shard(path: Path) -> pa.RecordBatch:
    """Return the rows of a shard; nothing is read before it is used.

    Raises:
        InputError: it is damaged, or its columns differ from the schema.
    """
    try:
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            if reader.num_record_batches != 1:
                raise InputError(f"{path} must hold one batch, got {reader.num_record_batches}")
            batch = with_added_columns(reader.get_batch(0))
            if not batch.schema.equals(SCHEMA):
                raise InputError(f"{path} has other columns than the schema: make the data set again")
            return batch
    except pa.ArrowException as error:
        raise InputError(f"{path} is damaged: {error}") from error


def read_row(batch: pa.RecordBatch, index: int) -> ImageRecord:
    """Return the image at that row of a shard."""
    return from_row(batch.slice(index, 1).to_pylist()[0])


@dataclass(frozen=True, slots=True)
class StoredRow:
    """The image at a row of a shard, of which only the requested parts are read."""

    batch: pa.RecordBatch
    index: int

    @property
    def picture_id(self) -> int:
        """Return the id; see `ImageRecord`, as for all the others."""
        return int(self._value("picture_id").as_py())

    @property
    def file_name(self) -> str:
        """Return the file name in the source."""
        return str(self._value("file_name").as_py())

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width, in pixels."""
        return self._value("height").as_py(), self._value("width").as_py()

    @property
    def image(self) -> bytes:
        """Return the encoded file."""
        return bytes(self._value("image").as_py())

    @property
    def objects(self) -> list[ObjectRecord]:
        """Return all its objects."""
        return [object_from_fields(each.as_py()) for each in self._value("objects").values]

    @property
    def entries(self) -> list[ReferringEntry]:
        """Return all its entries."""
        return [entry_from_fields(each.as_py()) for each in self._value("entries").values]

    @property
    def annotated(self) -> tuple[str, ...] | None:
        """Return the categories in which every object is annotated."""
        categories = self._value("annotated").as_py()
        return None if categories is None else tuple(categories)

    def entry(self, place: int) -> ReferringEntry:
        """Return the entry at that index."""
        return entry_from_fields(self._value("entries").values[place].as_py())

    def rles(self, object_ids: Collection[int]) -> list[Rle]:
        """Return the masks of those of its objects that have these ids."""
        objects = self._value("objects").values
        masks = objects.field("rle")
        ids = objects.field("id").to_pylist()
        return [masks[place].as_py() for place, each in enumerate(ids) if each in object_ids]

    def _value(self, column: str) -> pa.Scalar:
        return self.batch.column(column)[self.index]
