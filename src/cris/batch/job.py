"""Bulk jobs: which sentences are asked of which image, cut into shards, and the job's fingerprint."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cris.batch import SHARD_ROWS
from cris.batch.images import ImageRef, find_images
from cris.batch.sentences import Sentences
from cris.engines.export_folder import is_exported
from cris.errors import InputError
from cris.files import sha256_of
from cris.huggingface.descriptor import DESCRIPTOR, is_huggingface
from cris.names import KnownNames

SCHEMA_VERSION = 2
"""Version of shards and manifest; goes up when a column or field changes its meaning or goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An image and the sentences asked of it."""

    image: ImageRef
    sentences: tuple[str, ...]
    error: str | None = None
    """Reason why it cannot be segmented, where that is known beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """Options that decide how answers become rows."""

    threshold: float | None = None
    """Probability above which a pixel belongs to the mask; None for the model's own."""
    min_score: float = 0.0
    """Score below which an answer counts as finding nothing."""
    save: tuple[str, ...] = ()
    """Columns in addition to the run lengths: mask, overlay and cutout (PNG), polygons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Tasks whose rows become one file."""

    number: int
    tasks: tuple[Task, ...]
    options: AnswerOptions = AnswerOptions()

    @property
    def rows(self) -> int:
        """Return the number of rows: one for each image and sentence."""
        return sum(len(task.sentences) for task in self.tasks)


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """Complete description of a job: everything that decides its rows."""

    source: str
    """Path, pattern or URL of the images."""
    shards: tuple[Shard, ...]
    fingerprint: str
    """Sha256 of the model, images, sentences, options and shard size."""

    @property
    def images(self) -> int:
        """Return the number of images with at least one sentence."""
        return sum(len(shard.tasks) for shard in self.shards)

    @property
    def rows(self) -> int:
        """Return the number of rows over all shards."""
        return sum(shard.rows for shard in self.shards)


def model_files(model: Path) -> list[str]:
    """Return the names of the files in a model's folder that its answers depend on."""
    if is_huggingface(model):
        return [DESCRIPTOR]
    if is_exported(model):
        return sorted(
            path.name for path in model.glob("[!.]*") if path.is_file() and path.name != "README.md"
        )
    return ["config.json", "model.safetensors", "tokenizer.json"]


def plan_job(
    source: str,
    sentences: Sentences,
    checkpoint: Path,
    *,
    shard_rows: int = SHARD_ROWS,
    options: AnswerOptions = AnswerOptions(),
) -> BulkJob:
    """Return the job of asking a source's images these sentences; the same input gives the same job anywhere.

    Raises:
        InputError: there are no images, or the sentences are of none of them.
    """
    if shard_rows < 1:
        raise InputError(f"a shard must have at least 1 row, got {shard_rows}")
    tasks = tasks_of(source, find_images(source), sentences)
    shards = tuple(
        Shard(number=number, tasks=group, options=options)
        for number, group in enumerate(_groups(tasks, shard_rows))
    )
    digest = hashlib.sha256()
    about = {"job": "batch", "schema_version": SCHEMA_VERSION, "model": _sha256s(checkpoint)}
    for part in (
        about,
        *([task.image.id, task.image.version, task.sentences] for task in tasks),
        shard_rows,
        asdict(options),
    ):
        digest.update(json.dumps(part).encode() + b"\n")
    return BulkJob(source=source, shards=shards, fingerprint=digest.hexdigest())


def tasks_of(source: str, images: Sequence[ImageRef], sentences: Sentences) -> list[Task]:
    """Return each image of a source with what is asked of it; raise InputError where nothing is asked."""
    if sentences.by_image is None:
        return [Task(image=image, sentences=sentences.for_all) for image in images]
    asked = _by_known_names(sentences.by_image, images)
    tasks = []
    for image in images:
        both = (*asked.get(image.id, ()), *asked.get(image.name, ()))
        if both:
            tasks.append(Task(image=image, sentences=tuple(dict.fromkeys(both))))
    known = {name for image in images for name in (image.id, image.name)}
    absent = sorted(asked.keys() - known)
    if not tasks:
        raise InputError(
            f"the sentences are of none of the {len(images):,} images in {source}: "
            f"they name {absent[0]!r}, there is {images[0].name!r}"
        )
    for name in absent:
        nowhere = ImageRef(id=name, name=name, url="", version="")
        error = f"expected an image of this name in {source}, found none"
        tasks.append(Task(image=nowhere, sentences=asked[name], error=error))
    return tasks


def _by_known_names(
    asked: Mapping[str, tuple[str, ...]], images: Sequence[ImageRef]
) -> dict[str, tuple[str, ...]]:
    """Return the sentences by the names that the images have; names of no image stay as they are."""
    known = KnownNames(name for image in images for name in (image.id, image.name))
    found: dict[str, tuple[str, ...]] = {}
    for name, sentences in asked.items():
        own = known.find(name) or name
        found[own] = (*found.get(own, ()), *sentences)
    return found


def _groups(tasks: Iterable[Task], shard_rows: int) -> Iterator[tuple[Task, ...]]:
    group: list[Task] = []
    rows = 0
    for task in tasks:
        group.append(task)
        rows += len(task.sentences)
        if rows >= shard_rows:
            yield tuple(group)
            group, rows = [], 0
    if group:
        yield tuple(group)


def _sha256s(checkpoint: Path) -> list[str]:
    return [sha256_of(checkpoint / name) for name in model_files(checkpoint)]
