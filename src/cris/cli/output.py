"""Output folders: another job's results are never overwritten unasked, and nothing stays half-written."""

import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cris.errors import InputError

RECORD, PARQUET_RECORD = "results.json", "_results.json"
"""What a job writes beside its other files: its results, its fingerprint, the names of its files.

The second beside Parquet files: what reads a folder of these passes over names that begin with _.
"""
SCHEMA_VERSION = 1
"""Of the record; goes up when a field changes its meaning or goes away."""


def fingerprint(**parts: object) -> str:
    """Sha256 of everything that a job's results depend on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str | None:
    """Of a file's content; None when it cannot be read, which is for its real reader to explain."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def model_sha256(checkpoint: Path) -> list[list[str | None]]:
    """Name and sha256 of every file of a checkpoint, or of an export, that its answers depend on."""
    aside = ("README.md", "train_state.pt")
    files = sorted(path for path in checkpoint.glob("[!.]*") if path.is_file() and path.name not in aside)
    return [[path.name, sha256_of(path)] for path in files]


def to_json(content: object) -> str:
    """Indented, in ASCII whatever it holds, so that it can go through any terminal and pipe."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def check_free(out: Path, files: Iterable[str], job: str, *, overwrite: bool) -> None:
    """Raises InputError when writing these files and a record to `out` would overwrite what is not the job's.

    A job may always be run again over its own results.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must name a folder, {out} is a file")
    if overwrite or read_record(out).get("fingerprint") == job:
        return
    if record_file(out) is not None:
        raise InputError(f"{out} holds the results of another job: choose another --out, or pass --overwrite")
    for name in files:
        if (out / name).exists():
            raise InputError(f"{out / name} is there already: choose another --out, or pass --overwrite")


def free_folder(name: str, job: str) -> Path:
    """Return NAME, NAME-2, … : the first that is not there, is empty, or holds this job's results."""
    for number in itertools.count(1):
        out = Path(name if number == 1 else f"{name}-{number}")
        is_empty = not out.exists() or (out.is_dir() and not any(out.iterdir()))
        if is_empty or read_record(out).get("fingerprint") == job:
            return out
    raise AssertionError


@contextmanager
def written_together(out: Path) -> Iterator[Path]:
    """A folder to write files to, the record among them, which move to `out` at the end; or none does.

    What an earlier record says it wrote, and this one no longer does, goes away.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=out) as partial:
            yield Path(partial)
            records = (RECORD, PARQUET_RECORD)
            files = sorted(Path(partial).iterdir(), key=lambda file: file.name in records)  # the record last
            outdated = set() if record_file(Path(partial)) is None else {*_files(read_record(out)), *records}
            for file in files:
                file.replace(out / file.name)
            for name in outdated - {file.name for file in files}:
                (out / name).unlink(missing_ok=True)
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def new_record(job: str, key: str, files: Iterable[str], **results: Any) -> dict[str, Any]:
    """What a job's record says: of which job it is, its fingerprint, the files beside it, its results."""
    return {
        "schema_version": SCHEMA_VERSION,
        "job": job,
        "fingerprint": key,
        "files": list(files),
        **results,
    }


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Writes it where `written_together` wants it."""
    has_parquet = any(name.endswith(".parquet") for name in record["files"])
    (folder / (PARQUET_RECORD if has_parquet else RECORD)).write_text(to_json(record), encoding="utf-8")


def record_file(out: Path) -> Path | None:
    """Return the record of the job whose results `out` holds; None without one."""
    return next((out / name for name in (PARQUET_RECORD, RECORD) if (out / name).exists()), None)


def read_record(out: Path) -> dict[str, Any]:
    """What `out` says of itself; empty when it says nothing that can be read."""
    try:
        file = record_file(out)
        record = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _files(record: dict[str, Any]) -> set[str]:
    """The files a record names; only plain names, as a record from elsewhere may say anything."""
    named = record.get("files")
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    return {name for name in names if Path(name).name == name and "\0" not in name}
