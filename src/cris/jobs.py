"""Jobs of commands with --out: results of a known job, never overwritten unasked."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cris.errors import InputError
from cris.files import PARTIAL, atomic_files, sha256_of

RECORD, PARQUET_RECORD = "results.json", "_results.json"
"""Record that a job writes beside its other files: its results, its fingerprint, the names of its files.

The second beside Parquet files: what reads a folder of these passes over names that begin with _.
"""
SCHEMA_VERSION = 1
"""Version of the record; goes up when a field changes its meaning or goes away."""
_IN_WORDS = {"version": "version of cris", "data": "data set, split or limit"}


@dataclass(frozen=True)
class Job:
    """Everything that makes results; the same job makes the same."""

    name: str
    """Name of the command, as its record has it."""
    depends_on: Mapping[str, object]
    """Everything but the name that decides the results, in plain JSON."""

    @property
    def identity(self) -> dict[str, object]:
        """Name and all that the results depend on."""
        return {"job": self.name, **self.depends_on}

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def difference(self, other: Mapping[str, object]) -> str:
        """Return in words where another job's identity differs; empty when it does not."""
        names = [name for name, value in self.identity.items() if other.get(name) != value]
        return " and ".join(_IN_WORDS.get(name, name) for name in names)

    def check_free(self, out: Path, files: Iterable[str] = (), *, overwrite: bool) -> None:
        """Raise InputError when these files and a record in `out` would overwrite what is not the job's.

        A job may always be run again over its own results.
        """
        check_folder(out)
        if overwrite or self.is_in(out):
            return
        if record_file(out) is not None:
            raise InputError(
                f"{out} holds the results of another job: choose another --out, or pass --overwrite"
            )
        for name in files:
            if (out / name).exists():
                raise InputError(f"{out / name} is there already: choose another --out, or pass --overwrite")

    def check_unmixed(self, out: Path, *, overwrite: bool) -> None:
        """Raise InputError where `out` has files, unless a job left them: for folders that are one thing."""
        self.check_free(out, overwrite=overwrite)
        if record_file(out) is None and not is_unused(out):
            raise InputError(f"{out} holds other things than an {self.name}: choose another --out")

    def is_in(self, out: Path) -> bool:
        """Return whether `out` holds the job's results."""
        return read_record(out).get("fingerprint") == self.fingerprint

    def free_folder(self, name: str) -> Path:
        """Return NAME, NAME-2, … : the first that is not there, is empty, or holds this job's results."""
        for number in itertools.count(1):
            out = Path(name if number == 1 else f"{name}-{number}")
            if is_unused(out) or self.is_in(out):
                return out
        raise AssertionError

    def record(self, files: Iterable[str], **results: Any) -> dict[str, Any]:
        """Return what the record says: which job it is of, the files beside it, the results."""
        return {
            "schema_version": SCHEMA_VERSION,
            "job": self.name,
            "fingerprint": self.fingerprint,
            "files": list(files),
            **results,
        }


def model_sha256(folder: Path) -> list[list[str | None]]:
    """Return name and sha256 of every file of a checkpoint, or of an export, that its answers depend on."""
    aside = ("README.md", "train_state.pt")
    files = sorted(path for path in folder.glob("[!.]*") if path.is_file() and path.name not in aside)
    return [[path.name, sha256_if_readable(path)] for path in files]


def sha256_if_readable(path: Path) -> str | None:
    """Return the sha256 of a file; None when it cannot be read, which is for its real reader to explain."""
    try:
        return sha256_of(path)
    except OSError:
        return None


def check_folder(out: Path) -> None:
    """Raise InputError when `out` is a file."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must name a folder, {out} is a file")


def begin_experiment(out: Path, parts: Iterable[str], *, is_resumed: bool, overwrite: bool) -> None:
    """Raise InputError when a new experiment would go into a folder in use; `overwrite` removes its parts."""
    check_folder(out)
    if overwrite:
        for path in (out / name for name in parts):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    check_resumable(out, is_resumed=is_resumed and not overwrite)


def check_resumable(out: Path, *, is_resumed: bool) -> None:
    """Raise InputError when a new experiment would go into a folder that holds something."""
    check_folder(out)
    if not is_resumed and not is_unused(out):
        raise InputError(f"{out} is not empty: pass --resume to go on with its experiment, or choose another")


def is_unused(out: Path) -> bool:
    """Return whether `out` is not there, or a folder with nothing but what a killed job left half written."""
    if not out.exists():
        return True
    return out.is_dir() and all(path.name.startswith(PARTIAL) for path in out.iterdir())


@contextmanager
def written_together(out: Path) -> Iterator[Path]:
    """Yield a folder to write files to, a record among them, which move to `out` at the end; or none does.

    What an earlier record says it wrote, and this one no longer does, goes away.
    """
    records = (RECORD, PARQUET_RECORD)
    with atomic_files(out, last=records) as partial:
        yield partial
        outdated = set() if record_file(partial) is None else {*recorded_files(read_record(out)), *records}
        outdated -= {path.name for path in partial.iterdir()}
    for name in outdated:
        (out / name).unlink(missing_ok=True)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write a record where `written_together` wants it."""
    has_parquet = any(name.endswith(".parquet") for name in record["files"])
    (folder / (PARQUET_RECORD if has_parquet else RECORD)).write_text(to_json(record), encoding="utf-8")


def record_file(out: Path) -> Path | None:
    """Return the record of the job whose results `out` holds; None without one."""
    return next((out / name for name in (PARQUET_RECORD, RECORD) if (out / name).exists()), None)


def read_record(out: Path) -> dict[str, Any]:
    """Return what `out` says of itself; empty when it says nothing that can be read."""
    try:
        file = record_file(out)
        record = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def to_json(content: object) -> str:
    """Return JSON, indented, and in ASCII so that it can go through any terminal and pipe."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def recorded_files(record: Mapping[str, Any]) -> set[str]:
    """Return the files that a record names; only plain names, as a record from elsewhere may say anything."""
    named = record.get("files")
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    return {name for name in names if Path(name).name == name and "\0" not in name}
