"""Rows on the disk: Parquet, one file for an evaluation, readable by pyarrow, pandas, Polars and DuckDB."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cris.errors import InputError
from cris.evaluation.rows import Row
from cris.masks import Rle

ROWS_VERSION = 1
"""Version of the rows; goes up when a column changes its meaning or goes away."""
_VERSION_KEY = b"cris_rows_version"
SCHEMA = pa.schema(
    [
        pa.field("sample", pa.int64(), nullable=False),
        pa.field("picture", pa.string(), nullable=False),
        pa.field("picture_id", pa.int64(), nullable=False),
        pa.field("ref_id", pa.int64(), nullable=False),
        pa.field("sentence", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("words", pa.int32(), nullable=False),
        pa.field("distractors", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("true_area", pa.int64(), nullable=False),
        pa.field("predicted_area", pa.int64(), nullable=False),
        pa.field("intersection", pa.int64(), nullable=False),
        pa.field("union", pa.int64(), nullable=False),
        pa.field("iou", pa.float64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("ambiguity", pa.float64()),
        pa.field("visible", pa.float64()),
        pa.field("ceiling", pa.float64(), nullable=False),
        pa.field("failure", pa.string()),
        pa.field("is_no_target", pa.bool_(), nullable=False),
        pa.field("best_other_iou", pa.float64(), nullable=False),
        pa.field("rle", pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())]), nullable=False),
    ],
    metadata={_VERSION_KEY: str(ROWS_VERSION)},
)
_NAMES = tuple(SCHEMA.names)
assert sorted(_NAMES) == sorted(field.name for field in fields(Row))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows, sorted by their place in the split, to a Parquet file."""
    ordered = sorted(rows, key=lambda row: row.sample)
    columns = {name: [getattr(row, name) for row in ordered] for name in _NAMES}
    pq.write_table(pa.Table.from_pydict(columns, SCHEMA), path, compression="zstd")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file, or of a results folder's `rows.parquet`, in the order of the split.

    Raises:
        InputError: there is none, it is damaged, or another version of cris wrote it.
    """
    path = path / "rows.parquet" if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{path} is missing: cris eval … --out {path.parent} writes it")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is damaged or no Parquet file: measure again") from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode(errors="replace")
    if version != str(ROWS_VERSION):
        raise InputError(
            f"{path} must hold rows of version {ROWS_VERSION} for this cris, got version {version}: "
            "measure again, or use the cris that wrote it"
        )
    if not table.schema.equals(SCHEMA):
        raise InputError(
            f"{path} must have the columns {', '.join(_NAMES)}, got {', '.join(table.schema.names)}"
        )
    return [
        Row(**(values | {"rle": Rle(size=values["rle"]["size"], counts=values["rle"]["counts"])}))
        for values in table.to_pylist()
    ]
