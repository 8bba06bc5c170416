"""Shards: Arrow IPC files of one batch of pictures each, mapped into memory."""

from pathlib import Path

import pyarrow as pa

from cris.data.records import PictureRecord
from cris.data.schema import SCHEMA, from_row


def open_shard(path: Path) -> pa.RecordBatch:
    """The rows of a shard; nothing is read before it is used.

    Raises:
        ValueError: it is damaged, or has other columns than the schema.
    """
    try:
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            if not reader.schema.equals(SCHEMA):
                raise ValueError(f"{path} has other columns than the schema: make the data set again")
            if reader.num_record_batches != 1:
                raise ValueError(f"{path} must hold one batch, got {reader.num_record_batches}")
            return reader.get_batch(0)
    except pa.ArrowException as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def read_row(batch: pa.RecordBatch, index: int) -> PictureRecord:
    """The picture at that row of a shard."""
    return from_row(batch.slice(index, 1).to_pylist()[0])
