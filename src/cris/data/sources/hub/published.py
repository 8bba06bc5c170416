"""Data sets of ours in Parquet, as `cris data push` and `cris data export` write them, read again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from cris.data.records import ImageRecord
from cris.data.sources.hub.fetch import locate, parse_address
from cris.data.store.layouts import ORDER, datasets_schema
from cris.data.store.manifest import MANIFEST, SourceInfo
from cris.data.store.schema import SCHEMA, SCHEMA_VERSION, from_row
from cris.data.store.writing import write_dataset
from cris.errors import InputError
from cris.files import sha256_of
from cris.weights import hub_folder

_VERSION = b"cris_schema_version"


def fetch_dataset(address: str) -> Path:
    """Return the folder of a data set of ours that is on the hub, downloaded and stored if need be.

    Raises:
        InputError: the address is malformed, or there is no such data set, or it is none of ours.
        ConnectionError: the hub cannot be reached.
    """
    repository, revision = parse_address(address)
    place = hub_folder(repository, revision, kind="dataset")
    folder = place / repository.partition("/")[2]
    if not (folder / MANIFEST).is_file():
        locate(address)
        with FileLock(place / f"{folder.name}.lock"):
            files = published_files(place)
            if not files:
                raise InputError(
                    f"{address} is none that cris data push wrote: cris data hub converts others"
                )
            store_published(files, folder, command=f"cris data hub {address}", is_resuming=True)
    return folder


def published_files(folder: Path) -> list[Path]:
    """Return the Parquet files in a folder, or the one file, if they are a data set of ours; else none."""
    files = sorted(folder.rglob("*.parquet")) if folder.is_dir() else [folder]
    try:
        schemas = [pq.read_schema(path) for path in files]
    except (pa.ArrowException, OSError):
        return []
    return files if schemas and all(map(_is_ours, schemas)) else []


def store_published(
    files: Sequence[Path], out: Path, *, command: str, is_resuming: bool = False, overwrite: bool = False
) -> Any:
    """Write a data set of ours in the stored form, and return its manifest; raises like `write_dataset`."""
    rows = _Rows(files)
    return write_dataset(
        out,
        rows.images,
        SourceInfo(kind="hub", files={path.name: sha256_of(path) for path in files}),
        command=command,
        is_resuming=is_resuming,
        overwrite=overwrite,
    )


def _is_ours(schema: pa.Schema) -> bool:
    version = (schema.metadata or {}).get(_VERSION)
    if version is not None and version != str(SCHEMA_VERSION).encode():
        raise InputError(f"these files are of version {version.decode()} of the stored form: update cris")
    return bool(schema.equals(datasets_schema()))


class _Rows:
    """Rows of several files, of which those of one image are joined, in the order that the data set had."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._groups: dict[int, tuple[int, list[dict[str, Any]]]] = {}
        parts: dict[int, list[tuple[int, int, int, list[int] | None]]] = {}
        for number, path in enumerate(files):
            ids = pq.read_table(path, columns=["picture_id"]).column("picture_id").to_pylist()
            told = (pq.read_metadata(path).metadata or {}).get(ORDER.encode())
            # files that were written again by others have lost the order: then it is that of their rows
            order = json.loads(told) if told else []
            if len(order) != len(ids):
                order = [(None, None)] * len(ids)
            for row, (picture, (index, places)) in enumerate(zip(ids, order, strict=True)):
                parts.setdefault(picture, []).append(
                    (len(parts) if index is None else index, number, row, places)
                )
        self._order = sorted(parts.values(), key=lambda each: min(part[0] for part in each))

    def images(self, start: int) -> Iterator[ImageRecord]:
        """Yield the images from that one on."""
        for parts in self._order[start:]:
            yield _joined([(self._record(number, row), places) for _, number, row, places in parts])

    def _record(self, number: int, row: int) -> ImageRecord:
        first, rows = self._groups.get(number, (0, []))
        if not first <= row < first + len(rows):
            first, rows = _group(self._files[number], row)
            self._groups[number] = first, rows
        fields = rows[row - first]
        return from_row({**fields, "image": fields["image"]["bytes"]})


def _group(path: Path, row: int) -> tuple[int, list[dict[str, Any]]]:
    """Return the group of rows that has a row, and the number of its first."""
    with pq.ParquetFile(path) as file:
        first = 0
        for number in range(file.num_row_groups):
            count = file.metadata.row_group(number).num_rows
            if row < first + count:
                return first, file.read_row_group(number, columns=SCHEMA.names).to_pylist()
            first += count
    raise IndexError(f"row must be within {first}, got {row}")


def _joined(parts: Sequence[tuple[ImageRecord, list[int] | None]]) -> ImageRecord:
    """Return what splits say of an image as one record, its entries in the places that they had."""
    told = [
        (place, entry, None if record.scores is None else record.scores[number])
        for record, places in parts
        for number, (place, entry) in enumerate(
            zip(places or range(len(record.entries)), record.entries, strict=True)
        )
    ]
    if all(places is not None for _, places in parts):
        told.sort(key=lambda each: each[0])
    scores = [score for _, _, score in told if score is not None]
    return replace(
        parts[0][0],
        entries=tuple(entry for _, entry, _ in told),
        scores=tuple(scores) if len(scores) == len(told) else None,
    )
