"""Locks on folders that one process at a time writes to."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from cris.errors import InputError

LOCK = ".lock"
"""Lock file in such a folder while a process writes there; the system releases it when that one dies."""


@contextmanager
def locked(folder: Path, *, hint: str = "wait for it, or stop it") -> Iterator[None]:
    """Keep other processes from writing to a folder, which is made; left empty, it goes away again.

    Raises:
        InputError: another process writes there; `hint` says what to do.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            try:
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)
                if is_new:
                    with suppress(OSError):  # it holds something, or has another name by now
                        folder.rmdir()
    except filelock.Timeout as error:
        raise InputError(f"another process is writing to {folder}: {hint}") from error
