"""Writing of data sets: shards appear whole or not at all, and the final name only at the end."""

import errno
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from cris.data.records import ImageRecord
from cris.data.store.manifest import (
    MANIFEST,
    Counter,
    LeftOut,
    Manifest,
    ShardInfo,
    SourceInfo,
    make_manifest,
    read_manifest,
    write_manifest,
)
from cris.data.store.schema import SCHEMA, to_batch
from cris.data.store.shards import open_shard, read_row
from cris.errors import InputError
from cris.files import atomic_file, replace_folder, sha256_of
from cris.jobs import check_folder, is_unused
from cris.lock import LOCK, locked

SHARD_IMAGES = 512
SHARD_BYTES = 64 * 2**20
"""Number of bytes at which a shard ends; the image that reaches either limit is its last, so cuts depend on
the images alone."""
_INT64 = range(-(2**63), 2**63)
_JOB, _SUFFIX = "job.json", ".arrow"


def write_dataset(
    out: Path,
    images: Callable[[int], Iterable[ImageRecord]],
    source: SourceInfo,
    *,
    command: str,
    is_resuming: bool = False,
    overwrite: bool = False,
    left_out: Callable[[], Mapping[str, LeftOut]] = dict,
) -> Manifest:
    """Write the images to the folder `out`, which appears only once it is complete.

    Until then the shards gather in a folder .NAME.partial beside it, where an interrupted run continues
    when `is_resuming`; its shards come out byte for byte as those of an uninterrupted run.

    Args:
        out: the folder to create
        images: makes the records again, always in the same order, minus as many of the first as told
        source: description of everything that decides the records
        command: command that made them, for the manifest
        is_resuming: continue what a run of the same source left; does nothing if that run had finished
        overwrite: replace the data set in `out`, and what another run left
        left_out: returns, once the images are made, what of the source is not among them

    Raises:
        InputError: `out` exists already, another run began it, records are invalid, or the disk is full.
    """
    out = out.resolve()
    if is_resuming and _is_done(out, source):
        return read_manifest(out)
    _check_free(out, overwrite=overwrite)
    partial = out.with_name(f".{out.name}.partial")
    with locked(partial), _disk_full_explained(out):
        _begin(partial, out, source, is_resuming=is_resuming, overwrite=overwrite)
        try:
            manifest = _write_shards(partial, images, source, command, left_out)
        except BaseException:
            if not _shards(partial):  # nothing to go on with
                shutil.rmtree(partial, ignore_errors=True)
            raise
        write_manifest(partial, manifest)
        (partial / _JOB).unlink()
        (partial / LOCK).unlink(missing_ok=True)  # which stays with the folder that gets another name
        replace_folder(partial, out)
    return manifest


def _write_shards(
    folder: Path,
    images: Callable[[int], Iterable[ImageRecord]],
    source: SourceInfo,
    command: str,
    left_out: Callable[[], Mapping[str, LeftOut]],
) -> Manifest:
    counter, validator, files = Counter(), Validator(), []
    for path in _shards(folder):
        batch = open_shard(path)
        for index in range(len(batch)):
            record = read_row(batch, index)
            validator.check(record)
            counter.add(record)
        files.append(_shard_info(path, len(batch)))
    records = _checked(images(counter.pictures), validator, counter)
    for group in _groups(records):
        path = folder / f"pictures-{len(files):05d}{_SUFFIX}"
        _write_shard(path, to_batch(group))
        files.append(_shard_info(path, len(group)))
    if not counter.pictures:
        why = "".join(f"; left out: {each.first}" for each in left_out().values())
        raise InputError(f"the source has no image that anything could be written of{why}")
    return make_manifest(source, command, counter, files, left_out())


class Validator:
    """Validation of records: they must be fit to be stored, with unique ids."""

    def __init__(self) -> None:
        self._images: set[int] = set()
        self._objects: set[int] = set()
        self._entries: set[int] = set()

    def check(self, record: ImageRecord) -> None:
        """Raise InputError naming the image and its fault."""
        where = f"image {record.picture_id} ({record.file_name})"
        _add(self._images, record.picture_id, f"{where}: image id")
        for each in record.objects:
            what = f"{where}: object {each.id}"
            _add(self._objects, each.id, f"{where}: object id")
            if not all(map(math.isfinite, (*each.box, each.area))):
                raise InputError(f"{what}: box and area must be finite, got {each.box} and {each.area}")
            if list(each.rle["size"]) != [record.height, record.width]:
                raise InputError(
                    f"{what}: rle must have the image's size {[record.height, record.width]}, "
                    f"got {list(each.rle['size'])}"
                )
        known = {each.id for each in record.objects}
        for entry in record.entries:
            what = f"{where}: entry {entry.ref_id}"
            _add(self._entries, entry.ref_id, f"{where}: ref id")
            if unknown := set(entry.object_ids) - known:
                raise InputError(f"{what}: object ids must be of the image's objects, got {min(unknown)}")
            if not entry.sentences or not all(map(str.strip, entry.sentences)):
                raise InputError(f"{what}: there must be sentences, and none empty, got {entry.sentences!r}")
            if not entry.split:
                raise InputError(f"{what}: the split must have a name")


def _add(known: set[int], number: int, what: str) -> None:
    if number not in _INT64:
        raise InputError(f"{what} must be a whole number of at most 64 bits, got {number}")
    if number in known:
        raise InputError(f"{what} {number} is there twice")
    known.add(number)


def _checked(records: Iterable[ImageRecord], validator: Validator, counter: Counter) -> Iterator[ImageRecord]:
    for record in records:
        validator.check(record)
        counter.add(record)
        yield record


def _groups(records: Iterable[ImageRecord]) -> Iterator[list[ImageRecord]]:
    group: list[ImageRecord] = []
    size = 0
    for record in records:
        group.append(record)
        size += len(record.image)
        if len(group) >= SHARD_IMAGES or size >= SHARD_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write_shard(path: Path, batch: pa.RecordBatch) -> None:
    with (
        atomic_file(path, is_synced=True) as unfinished,
        unfinished.open("wb") as file,
        pa.ipc.new_file(file, SCHEMA) as writer,
    ):
        writer.write_batch(batch)


def _shard_info(path: Path, rows: int) -> ShardInfo:
    return ShardInfo(name=path.name, rows=rows, bytes=path.stat().st_size, sha256=sha256_of(path))


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"pictures-*{_SUFFIX}"))


def _is_done(out: Path, source: SourceInfo) -> bool:
    return (out / MANIFEST).is_file() and read_manifest(out).fingerprint == source.fingerprint


def _check_free(out: Path, *, overwrite: bool) -> None:
    check_folder(out)
    if not (out / MANIFEST).is_file() and not is_unused(out):
        raise InputError(f"{out} holds other things than a data set: choose another --out")
    if (out / MANIFEST).is_file() and not overwrite:
        raise InputError(f"{out} holds a data set: choose another --out, or pass --overwrite")


def _begin(partial: Path, out: Path, source: SourceInfo, *, is_resuming: bool, overwrite: bool) -> None:
    """Remove what an earlier run left, unless this one continues it."""
    job = partial / _JOB
    is_same = job.is_file() and job.read_text(encoding="utf-8") == json.dumps(source.fingerprint)
    if _shards(partial) and not (is_resuming and is_same) and not overwrite:
        if is_resuming:
            raise InputError(f"{out} was begun from another source: pass --overwrite to begin anew")
        raise InputError(f"{out} was begun: pass --resume to go on, or --overwrite to begin anew")
    kept = {LOCK, *(path.name for path in _shards(partial) if is_resuming and is_same)}
    for path in partial.iterdir():
        if path.name not in kept:
            path.unlink()
    job.write_text(json.dumps(source.fingerprint), encoding="utf-8")


@contextmanager
def _disk_full_explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"the disk is full at {out.parent}: free some space and run the same with --resume"
            ) from error
        raise
