"""Result folders that `cris eval` wrote, for the commands that read them again."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cris.errors import InputError
from cris.jobs import PARQUET_RECORD, SCHEMA_VERSION, read_record

if TYPE_CHECKING:
    from cris.data.dataset import Dataset
    from cris.evaluation.results import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Contents of a folder that `cris eval --out` wrote."""

    folder: Path
    record: dict[str, Any]
    """Contents of _results.json."""

    def evaluation(self) -> "Evaluation":
        """Return all rows, with their figures; raise InputError when they cannot be read."""
        from cris.evaluation.results import Evaluation
        from cris.evaluation.row_files import read_rows

        rows = read_rows(self.folder)
        if len(rows) != self.record["count"]:
            raise InputError(
                f"{self.folder} is of two evaluations: {PARQUET_RECORD} tells of {self.record['count']:,} "
                f"samples, rows.parquet has {len(rows):,}; measure again"
            )
        return Evaluation(rows)

    def dataset(self, data: Path | None = None) -> "Dataset":
        """Return the measured data; raise InputError when it is gone or has changed since."""
        from cris.data.open import is_dataset, open_dataset

        named = self.record["data"] if data is None else str(data)
        if not is_dataset(named):
            raise InputError(
                f"{self.folder} was measured on {named}, which is not there: say with --data where it is now"
            )
        dataset = open_dataset(named, self.record["split"], self.record["limit"])
        if dataset.identity != self.record["identity"]["data"]:
            raise InputError(
                f"{named} is not what {self.folder} was measured on, or has changed since: "
                "name the right data set with --data, or measure again"
            )
        return dataset


def read_results(folder: Path) -> Results:
    """Return the results in a folder.

    Raises:
        InputError: there are none, they are another command's, unfinished, or of another version of cris.
    """
    record = read_record(folder)
    if record.get("job") != "eval":
        what = (
            f"has no {PARQUET_RECORD} that can be read"
            if not record
            else f"holds results of {record.get('job')!r}"
        )
        if (folder / ".unfinished").is_dir():
            what = "holds an interrupted evaluation: finish it with cris eval … --resume"
        raise InputError(f"{folder} must be a folder that cris eval wrote with --out, but it {what}")
    version = record.get("schema_version")
    if version != SCHEMA_VERSION or "identity" not in record:
        raise InputError(
            f"{folder / PARQUET_RECORD} must have schema version {SCHEMA_VERSION} and an identity, got "
            f"version {version!r}, written by another version of cris: measure again"
        )
    return Results(folder=folder, record=record)
