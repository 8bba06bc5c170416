"""Parquet files of referring data: their layouts and their rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cris.data.annotations.fields import SourceRow
from cris.data.annotations.instances import ImageInfo
from cris.data.annotations.references import SPLITS
from cris.errors import InputError
from cris.image import open_image

_ROWS_AT_ONCE = 64
IMAGE = pa.struct({"bytes": pa.binary()})
_KINDS: tuple[tuple[Callable[[pa.DataType], bool], str, str], ...] = (
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), "text", "text"),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), "bytes", "bytes"),
    (pa.types.is_integer, "whole number", "whole numbers"),
    (pa.types.is_floating, "number", "numbers"),
)
"""Kinds of plain columns: the check, and what one and several are called."""
_SPLIT_NAMES = {**{split: split for split in SPLITS}, "validation": "val"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLayout:
    """Arrangement of a re-release's columns."""

    name: str
    columns: Mapping[str, pa.DataType]
    """Column → its type; other widths of the same kind, and further fields of a struct, fit too."""
    optional: tuple[str, ...] = ()
    """Columns that may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCheck:
    """A column, as expected and as found."""

    name: str
    expected: str
    found: str
    is_right: bool


class ColumnError(InputError):
    """Raised when the columns match no known layout; `checks` has them side by side."""

    def __init__(self, path: Path, layout: ColumnLayout, checks: list[ColumnCheck]) -> None:
        wrong = "; ".join(
            f"{check.name} must be {check.expected}, found {check.found}"
            for check in checks
            if not check.is_right
        )
        super().__init__(f"{path}: columns are nearest to those of {layout.name}, but {wrong}")
        self.layout, self.checks = layout, checks


def layout_of(files: Sequence[Path], layouts: Sequence[ColumnLayout]) -> ColumnLayout:
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


def rows(files: Sequence[Path], columns: Sequence[str]) -> Iterator[SourceRow]:
    """Yield the rows of the files, in order, with those of these columns that exist."""
    for path in files:
        number = 0
        with _open(path) as parquet:
            present = [name for name in columns if name in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(batch_size=_ROWS_AT_ONCE, columns=present):
                for fields in batch.to_pylist():
                    yield SourceRow(f"{path}: row {number}", fields)
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


def encoded_image(row: SourceRow, name: str = "image") -> bytes:
    """Return the bytes of an image column."""
    content = (row.value(name) or {}).get("bytes")
    if not content:
        raise InputError(f"{row.where}: {name} must have its bytes inside, got none")
    return bytes(content)


def image_size(row: SourceRow, content: bytes) -> tuple[int, int]:
    """Return height and width, without decoding.

    Raises:
        InputError: it is not an image.
    """
    with open_image(content, f"{row.where}: image") as image:
        width, height = image.size
    return height, width


class ParquetImages:
    """Encoded images inside Parquet files, streamed in the order of the rows."""

    def __init__(self, files: Sequence[Path], places: dict[int, int]) -> None:
        """Take `places`: image id → the row it is in, counted through all the files."""
        self._files, self._places = files, places

    def missing(self, infos: Iterable[ImageInfo]) -> set[str]:
        """Return the file names of missing images: none."""
        return set()

    def example(self, name: str) -> str | None:
        """Return no name, as no image is missing."""
        return None

    def ordered(self, infos: Iterable[ImageInfo]) -> list[ImageInfo]:
        """Return the images in the order of their rows."""
        return sorted(infos, key=lambda info: self._places[info.id])

    def stream(self, infos: Sequence[ImageInfo]) -> Iterator[bytes | InputError]:
        """Yield the encoded images, one at a time."""
        wanted = {self._places[info.id] for info in infos}
        for place, row in enumerate(rows(self._files, ["image"])):
            if place in wanted:
                yield encoded_image(row)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise InputError(f"{path} is not a whole Parquet file: fetch it again") from error


def _schema(path: Path) -> pa.Schema:
    with _open(path) as parquet:
        return parquet.schema_arrow


def _checks(schema: pa.Schema, layout: ColumnLayout) -> list[ColumnCheck]:
    checks = []
    for name, expected in layout.columns.items():
        kind = schema.field(name).type if name in schema.names else None
        checks.append(
            ColumnCheck(
                name=name,
                expected=_in_words(expected),
                found="nothing" if kind is None else str(kind),
                is_right=name in layout.optional if kind is None else _fits(kind, expected),
            )
        )
    return checks


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _fits(kind: pa.DataType, expected: pa.DataType) -> bool:
    """Return whether a type is as expected, but for widths and further fields."""
    if _is_list(expected):
        return _is_list(kind) and _fits(kind.value_type, expected.value_type)
    if pa.types.is_struct(expected):
        found = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
        return all(field.name in found and _fits(found[field.name], field.type) for field in expected)
    return any(is_kind(kind) and is_kind(expected) for is_kind, _, _ in _KINDS)


def _in_words(kind: pa.DataType, *, is_plural: bool = False) -> str:
    """Return what a layout's type is called: text, list of numbers, (id, category, mask (counts, size))."""
    if _is_list(kind):
        return f"list of {_in_words(kind.value_type, is_plural=True)}"
    if pa.types.is_struct(kind):
        inner = (f" {_in_words(field.type)}" if pa.types.is_struct(field.type) else "" for field in kind)
        return f"({', '.join(field.name + more for field, more in zip(kind, inner, strict=True))})"
    return next(several if is_plural else one for is_kind, one, several in _KINDS if is_kind(kind))


def _distance(schema: pa.Schema, layout: ColumnLayout) -> float:
    """Return the share of a layout's required columns that are missing or of another kind."""
    checks = [check for check in _checks(schema, layout) if check.name not in layout.optional]
    return sum(not check.is_right for check in checks) / len(checks)


def floats_as_written(numbers: Sequence[Any]) -> list[float]:
    """Return numbers as they were before 32-bit storage: the shortest decimals that give the stored ones."""
    return [float(text) for text in np.array(numbers, dtype=np.float32).astype(str)]
