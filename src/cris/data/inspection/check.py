"""Full check of a data set, which reads everything again."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from cris.data.inspection.findings import ERROR, Finding
from cris.data.inspection.image_checks import check_image
from cris.data.inspection.leaks import Leaks
from cris.data.paths import inside
from cris.data.records import ImageRecord
from cris.data.store.manifest import Counter, ShardInfo
from cris.data.store.reading import StoredDataset
from cris.data.store.shards import open_shard, read_row
from cris.data.store.writing import Validator
from cris.errors import InputError
from cris.files import sha256_of


def check_dataset(
    dataset: StoredDataset,
    watch: Callable[[Iterable[ImageRecord]], Iterable[ImageRecord]] = lambda records: records,
) -> list[Finding]:
    """Return everything that is wrong or doubtful, files first.

    Args:
        dataset: data set to check
        watch: wraps the images as they are read, for a progress bar
    """
    findings: list[Finding] = []
    counter, validator, leaks = Counter(), Validator(), Leaks(dataset.manifest.source)
    for record in watch(_records(dataset, findings)):
        findings += _validated(validator, record)
        findings += check_image(record)
        findings += leaks.add(record)
        counter.add(record)
    findings += leaks.found()
    return findings + _wrong_counts(dataset, counter)


def _records(dataset: StoredDataset, findings: list[Finding]) -> Iterator[ImageRecord]:
    """Yield the images that can be read; the findings list the others."""
    for shard in dataset.manifest.files:
        batch = _batch(dataset.folder, shard, findings)
        for index in range(0 if batch is None else len(batch)):
            try:
                yield read_row(batch, index)
            except (TypeError, ValueError) as error:
                where = f"{shard.name}: row {index}"
                findings.append(Finding("files", ERROR, where, f"the row cannot be read: {error}"))


def _batch(folder: Path, shard: ShardInfo, findings: list[Finding]) -> pa.RecordBatch | None:
    """Return the shard's rows if they can be read at all."""

    def add(what: str) -> None:
        findings.append(Finding("files", ERROR, shard.name, what))

    try:
        path = inside(folder, shard.name)
    except InputError as error:
        add(str(error))
        return None
    if not path.is_file():
        add("the file is missing")
        return None
    if sha256_of(path) != shard.sha256:
        add("the sha256 must be the manifest's; the file was changed or is damaged")
    try:
        batch = open_shard(path)
        batch.validate(full=True)
    except ValueError as error:  # Arrow's own errors are such too
        add(str(error))
        return None
    if len(batch) != shard.rows:
        add(f"there must be {shard.rows:,} rows as in the manifest, got {len(batch):,}")
    return batch


def _validated(validator: Validator, record: ImageRecord) -> Iterator[Finding]:
    try:
        validator.check(record)
    except InputError as error:
        yield Finding("fields", ERROR, record.file_name, str(error))


def _wrong_counts(dataset: StoredDataset, counter: Counter) -> list[Finding]:
    manifest = dataset.manifest
    told, found = (
        (each.pictures, each.objects, dict(sorted(each.splits.items()))) for each in (manifest, counter)
    )
    if told == found:
        return []
    return [Finding("counts", ERROR, "manifest.json", f"it must count what is there, {found}, got {told}")]
