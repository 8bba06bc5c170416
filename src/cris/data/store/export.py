"""Export for publishing and streaming: Parquet, WebDataset's tars, and the layouts of other tools."""

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, get_args

import pyarrow.parquet as pq

from cris.data.records import ImageRecord
from cris.data.store.layouts import write_coco, write_datasets, write_refer
from cris.data.store.reading import StoredDataset
from cris.data.store.schema import SCHEMA
from cris.errors import InputError
from cris.image import open_image

ExportFormat = Literal["parquet", "webdataset", "datasets", "coco", "refer"]
TAR_BYTES = 256 * 2**20
"""Number of bytes at which a tar ends, with the image that reaches it; readers take whole tars in turn."""
_ROWS_TOGETHER = 64
"""Rows per group of a Parquet file, which a reader takes in at once."""
_SUFFIXES = {"JPEG": "jpg", "TIFF": "tif", "JPEG2000": "jp2"}
"""Suffixes of formats whose usual one is not their name in lower case."""


def export(dataset: StoredDataset, folder: Path, format: ExportFormat) -> Iterator[int]:
    """Write the data set's files to an existing folder; yield the index of each image once it is written.

    Raises:
        InputError: an image is invalid, or a split has a name that no file can have.
    """
    assert format in get_args(ExportFormat), format
    for split in dataset.manifest.splits:
        if not re.fullmatch(r"[\w+-]+", split):
            raise InputError(f"a split must have letters and digits only to name files, got {split!r}")
    return _WRITERS[format](dataset, folder)


def _parquet(dataset: StoredDataset, folder: Path) -> Iterator[int]:
    """Write one file for each shard, with the same columns, and yield each image's index."""
    shards = len(dataset.manifest.files)
    written = 0
    for number in range(shards):
        batch = dataset.batch(number)
        path = folder / f"pictures-{number:05d}-of-{shards:05d}.parquet"
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            for start in range(0, len(batch), _ROWS_TOGETHER):
                writer.write_batch(batch.slice(start, _ROWS_TOGETHER))
        yield from range(written, written + len(batch))
        written += len(batch)


def _webdataset(dataset: StoredDataset, folder: Path) -> Iterator[int]:
    """Write tars of each split, in which an image's file is followed by a JSON of the same name."""
    tars = {split: _Tars(folder, split) for split in dataset.manifest.splits}
    try:
        for index, record in enumerate(dataset):
            suffix = _suffix(record)
            for split in dict.fromkeys(entry.split for entry in record.entries):
                tars[split].add(record.of_split(split), suffix)
            yield index
    finally:
        for each in tars.values():
            each.close()


class _Tars:
    """Tars of a split, a new one when the last is full."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder = folder
        self._split = split
        self._count = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, record: ImageRecord, suffix: str) -> None:
        """Write an image, then what is known about it."""
        if self._tar is None:
            path = self._folder / f"{self._split}-{self._count:05d}.tar"
            self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115, closed below
            self._count += 1
        known = {name: value for name, value in asdict(replace(record, image=b"")).items() if name != "image"}
        key = f"{record.picture_id:012d}"
        _add(self._tar, f"{key}.{suffix}", record.image)
        _add(self._tar, f"{key}.json", json.dumps(known).encode())
        if self._tar.offset >= TAR_BYTES:
            self.close()

    def close(self) -> None:
        """Close the tar that is being written, if any."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member with no time and no owner, so that the same data makes the same tar."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _suffix(record: ImageRecord) -> str:
    """Return the suffix by the bytes, as names may lie."""
    with open_image(record.image, f"{record.file_name} (image {record.picture_id})") as image:
        format = image.format or ""
    return _SUFFIXES.get(format, format.lower())


_WRITERS: dict[ExportFormat, Callable[[StoredDataset, Path], Iterator[int]]] = {
    "parquet": _parquet,
    "webdataset": _webdataset,
    "datasets": write_datasets,
    "coco": write_coco,
    "refer": write_refer,
}
