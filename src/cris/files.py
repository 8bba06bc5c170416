"""Atomic files and folders, and the SHA-256 of a file."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial-"
"""Prefix of the names of what a killed process leaves of `atomic_files`."""


@contextmanager
def atomic_file(path: Path, *, is_synced: bool = False, is_resumable: bool = False) -> Iterator[Path]:
    """Yield a path to write a file to; it becomes `path` at the end, and goes away after any exception.

    Args:
        path: what to write or replace, in a folder that is there.
        is_synced: put the content on the disk first, so that no power cut leaves an empty file.
        is_resumable: yield NAME.part, which stays after an exception so that the next attempt goes on
            with it; one process at a time may.
    """
    if is_resumable:
        unfinished = path.with_name(f"{path.name}.part")
    else:
        # random, so that two who write the same file do not meet; it ends alike, which tells the format
        unfinished = path.with_name(f".{os.urandom(4).hex()}-{path.name}")
    if not path.parent.is_dir():  # or an error would name the unfinished file
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    try:
        yield unfinished
        if is_synced:
            _sync(unfinished, os.O_RDWR)  # Windows syncs only what may be written
        unfinished.replace(path)
    except BaseException:
        if not is_resumable:
            unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path, *, is_synced: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes `path` at the end, and goes away after any exception.

    For a folder that holds nothing but what is written, and that one process at a time writes.
    `whole_folder` finds it at every moment, also when the machine stops halfway.

    Args:
        path: what to make or replace.
        is_synced: put the folder's files on the disk first, so that no power cut leaves an empty one.
    """
    unfinished = _beside(path, "unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if is_synced and os.name == "posix":  # elsewhere a folder cannot be synced
            for each in (*unfinished.iterdir(), unfinished):
                _sync(each, os.O_RDONLY)
        replace_folder(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def replace_folder(source: Path, target: Path) -> None:
    """Move a folder to where another one may be; `whole_folder` finds one of the two at every moment."""
    previous = _beside(target, "previous")
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        target.rename(previous)
    source.rename(target)
    shutil.rmtree(previous, ignore_errors=True)


def whole_folder(path: str | Path) -> Path:
    """Return where to read: the folder itself, or what it was when `replace_folder` was cut short."""
    folder = Path(path)
    if folder.exists():
        return folder
    previous = _beside(folder.resolve(), "previous")
    return previous if previous.is_dir() else folder


@contextmanager
def atomic_files(folder: Path, *, last: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder to fill, from which all moves to `folder` at the end; after an exception nothing.

    For a folder that may hold other things, which stay; one that is made goes away with an exception.

    Args:
        folder: where they go; a file replaces a file of its name, a folder a folder.
        last: names of those that move after all others, as they tell that all is there.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as partial:
            yield Path(partial)
            for path in sorted(Path(partial).iterdir(), key=lambda path: (path.name in last, path.name)):
                target = folder / path.name
                if path.is_dir() and target.is_dir():
                    shutil.rmtree(target)
                path.replace(target)
    except BaseException:
        for each in made:
            with suppress(OSError):
                each.rmdir()
        raise


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
