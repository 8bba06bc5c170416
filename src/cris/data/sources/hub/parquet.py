"""Parquet files of referring data: their layouts and their rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cris.data.annotations.fields import Row
from cris.data.annotations.instances import PictureInfo
from cris.data.annotations.references import SPLITS
from cris.errors import InputError
from cris.picture import open_picture

_ROWS_AT_ONCE = 64
_SPLIT_NAMES = {**{split: split for split in SPLITS}, "validation": "val"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a layout."""

    name: str
    expected: str
    fits: Callable[[pa.DataType], bool]
    is_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Arrangement of a re-release's columns."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCheck:
    """A column, as expected and as found."""

    name: str
    expected: str
    found: str
    is_right: bool


class ColumnError(InputError):
    """Raised when the columns match no known layout; `checks` has them side by side."""

    def __init__(self, path: Path, layout: Layout, checks: list[ColumnCheck]) -> None:
        wrong = "; ".join(
            f"{check.name} must be {check.expected}, found {check.found}"
            for check in checks
            if not check.is_right
        )
        super().__init__(f"{path}: columns are nearest to those of {layout.name}, but {wrong}")
        self.layout, self.checks = layout, checks


def is_text(kind: pa.DataType) -> bool:
    """Check whether the column is text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_list(fits: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    """Return a check for a column of lists of that type."""
    return lambda kind: (
        (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
        and fits(kind.value_type)
    )


def is_struct(**fields: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    """Return a check for a column of structs with at least those fields."""

    def fits(kind: pa.DataType) -> bool:
        if not pa.types.is_struct(kind):
            return False
        found = {field.name: field.type for field in kind}
        return all(name in found and is_right(found[name]) for name, is_right in fields.items())

    return fits


def is_bytes(kind: pa.DataType) -> bool:
    """Check whether the column is bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


is_whole = pa.types.is_integer
is_number = pa.types.is_floating
is_picture = is_struct(bytes=is_bytes)


def layout_of(files: Sequence[Path], layouts: Sequence[Layout]) -> Layout:
    """Return the layout that all the files have.

    Raises:
        ColumnError: a file has another one.
        InputError: a file is not Parquet.
    """
    nearest = min(layouts, key=lambda layout: _distance(_schema(files[0]), layout))
    for path in files:
        checks = _checks(_schema(path), nearest)
        if not all(check.is_right for check in checks):
            raise ColumnError(path, nearest, checks)
    return nearest


def rows(files: Sequence[Path], columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of the files, in order, with those of these columns that exist."""
    for path in files:
        number = 0
        with _open(path) as parquet:
            present = [name for name in columns if name in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(batch_size=_ROWS_AT_ONCE, columns=present):
                for fields in batch.to_pylist():
                    yield Row(f"{path}: row {number}", fields)
                    number += 1


def split_of_file(path: Path) -> str:
    """Return the split named by a file (val-00000-of-00004.parquet) or its folder (val/0000.parquet).

    Raises:
        InputError: neither names one.
    """
    for name in (path.stem.split("-")[0], path.parent.name):
        if name in _SPLIT_NAMES:
            return _SPLIT_NAMES[name]
    raise InputError(
        f"{path}: name must begin with one of {', '.join(_SPLIT_NAMES)} and a hyphen, to tell the split"
    )


def encoded_picture(row: Row, name: str = "image") -> bytes:
    """Return the bytes of an image column."""
    content = (row.value(name) or {}).get("bytes")
    if not content:
        raise InputError(f"{row.where}: {name} must have its bytes inside, got none")
    return bytes(content)


def picture_size(row: Row, content: bytes) -> tuple[int, int]:
    """Return height and width, without decoding.

    Raises:
        InputError: it is not an image.
    """
    with open_picture(content, f"{row.where}: image") as image:
        width, height = image.size
    return height, width


class ParquetPictures:
    """Encoded images inside Parquet files, streamed in the order of the rows."""

    def __init__(self, files: Sequence[Path], places: dict[int, int]) -> None:
        """Take `places`: image id → the row it is in, counted through all the files."""
        self._files, self._places = files, places

    def missing(self, infos: Iterable[PictureInfo]) -> set[str]:
        """Return the file names of missing images: none."""
        return set()

    def example(self, name: str) -> str | None:
        """Return no name, as no image is missing."""
        return None

    def ordered(self, infos: Iterable[PictureInfo]) -> list[PictureInfo]:
        """Return the images in the order of their rows."""
        return sorted(infos, key=lambda info: self._places[info.id])

    def stream(self, infos: Sequence[PictureInfo]) -> Iterator[bytes | InputError]:
        """Yield the encoded images, one at a time."""
        wanted = {self._places[info.id] for info in infos}
        for place, row in enumerate(rows(self._files, ["image"])):
            if place in wanted:
                yield encoded_picture(row)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise InputError(f"{path} is not a whole Parquet file: fetch it again") from error


def _schema(path: Path) -> pa.Schema:
    with _open(path) as parquet:
        return parquet.schema_arrow


def _checks(schema: pa.Schema, layout: Layout) -> list[ColumnCheck]:
    checks = []
    for column in layout.columns:
        kind = schema.field(column.name).type if column.name in schema.names else None
        checks.append(
            ColumnCheck(
                name=column.name,
                expected=column.expected,
                found="nothing" if kind is None else str(kind),
                is_right=not column.is_required if kind is None else column.fits(kind),
            )
        )
    return checks


def _distance(schema: pa.Schema, layout: Layout) -> float:
    """Return the share of a layout's required columns that are missing or of another kind."""
    required = {column.name for column in layout.columns if column.is_required}
    checks = [check for check in _checks(schema, layout) if check.name in required]
    return sum(not check.is_right for check in checks) / len(checks)


def floats_as_written(numbers: Sequence[Any]) -> list[float]:
    """Return numbers as they were before 32-bit storage: the shortest decimals that give the stored ones."""
    return [float(text) for text in np.array(numbers, dtype=np.float32).astype(str)]
