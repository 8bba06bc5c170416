"""Parts of an evaluation, kept on the disk as they get done, so that an interrupted one can go on."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from cris.evaluation.row_files import read_rows, write_rows
from cris.evaluation.rows import Row
from cris.files import atomic_file

FOLDER = ".unfinished"
_JOB = "job.json"


class Parts:
    """Parts in an output folder of one job, which is known by its identity; plain JSON."""

    def __init__(self, out: Path, identity: dict[str, object]) -> None:
        self.folder = out / FOLDER
        self.identity = identity

    def earlier(self) -> dict[str, object] | None:
        """Return the identity of the job that left parts here; None when there are none."""
        try:
            found = json.loads((self.folder / _JOB).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {} if self.folder.exists() else None
        return found if isinstance(found, dict) else {}

    def done(self) -> set[int]:
        """Return the numbers of the parts that are there."""
        return {int(path.stem) for path in self.folder.glob("*.parquet") if path.stem.isdecimal()}

    def save(self, number: int, rows: Iterable[Row]) -> None:
        """Keep a part, atomically."""
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            with atomic_file(self.folder / _JOB) as partial:
                partial.write_text(json.dumps(self.identity), encoding="utf-8")
        with atomic_file(self.folder / f"{number}.parquet") as partial:
            write_rows(partial, rows)

    def read(self, number: int) -> list[Row]:
        """Return the rows of a part; raise InputError when it is damaged."""
        return read_rows(self.folder / f"{number}.parquet")

    def remove(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)
