"""The Arrow schema of the stored form, and its rows as records (docs/data-format.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.masks import Rle

SCHEMA_VERSION = 1
"""Version of the schema, which goes up when a column changes its meaning or goes away."""

_RLE = pa.struct([("size", pa.list_(pa.int32(), 2)), ("counts", pa.string())])
_OBJECT = pa.struct(
    [
        ("id", pa.int64()),
        ("category", pa.string()),
        ("box", pa.list_(pa.float64(), 4)),
        ("rle", _RLE),
        ("area", pa.float64()),
        ("is_crowd", pa.bool_()),
    ]
)
_ENTRY = pa.struct(
    [
        ("ref_id", pa.int64()),
        ("object_ids", pa.list_(pa.int64())),
        ("sentences", pa.list_(pa.string())),
        ("split", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        ("picture_id", pa.int64()),
        ("file_name", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("image", pa.binary()),
        ("objects", pa.list_(_OBJECT)),
        ("entries", pa.list_(_ENTRY)),
        ("annotated", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
    ],
    metadata={"cris_schema_version": str(SCHEMA_VERSION)},
)

_ADDED = ("annotated", "scores")
"""Columns that older data sets lack; their value there is null in every row."""


def with_added_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with the columns that the schema gained since they were written."""
    for name in _ADDED:
        if name not in batch.schema.names:
            column = SCHEMA.field(name)
            batch = batch.append_column(column, pa.nulls(len(batch), column.type))
    return batch


def to_batch(records: Sequence[ImageRecord]) -> pa.RecordBatch:
    """Return the records as rows."""
    columns = {name: [getattr(record, name) for record in records] for name in SCHEMA.names}
    for name in ("objects", "entries"):
        columns[name] = [[asdict(each) for each in parts] for parts in columns[name]]
    return pa.RecordBatch.from_pydict(columns, SCHEMA)


def from_row(row: Mapping[str, Any]) -> ImageRecord:
    """Return a row, as pyarrow gives it, as a record."""
    return ImageRecord(
        picture_id=row["picture_id"],
        file_name=row["file_name"],
        height=row["height"],
        width=row["width"],
        image=row["image"],
        objects=tuple(map(object_from_fields, row["objects"])),
        entries=tuple(map(entry_from_fields, row["entries"])),
        annotated=None if row["annotated"] is None else tuple(row["annotated"]),
        scores=None if row["scores"] is None else tuple(row["scores"]),
    )


def object_from_fields(fields: Mapping[str, Any]) -> ObjectRecord:
    """Return one of a row's objects, as pyarrow gives it."""
    left, top, width, height = fields["box"]
    rle = fields["rle"]
    return ObjectRecord(
        id=fields["id"],
        category=fields["category"],
        box=(left, top, width, height),
        rle=Rle(size=rle["size"], counts=rle["counts"]),
        area=fields["area"],
        is_crowd=fields["is_crowd"],
    )


def entry_from_fields(fields: Mapping[str, Any]) -> ReferringEntry:
    """Return one of a row's entries, as pyarrow gives it."""
    return ReferringEntry(
        ref_id=fields["ref_id"],
        object_ids=tuple(fields["object_ids"]),
        sentences=tuple(fields["sentences"]),
        split=fields["split"],
    )
