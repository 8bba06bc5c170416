"""The user's own images: COCO instances, with sentences from people or generated from the annotations."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from cris.data.annotations.instances import Instances, read_instances
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.references import ReferenceRecord, Sentence
from cris.data.annotations.selection import Selection
from cris.data.annotations.sentences import SentenceRow, read_sentences
from cris.data.expressions import CategoryStats, Wishes, expressions_of
from cris.data.records import ImageRecord, ReferringEntry
from cris.data.sources.conversion import Conversion, ImageFiles, image_record, join, missing_remark
from cris.data.sources.images import Images
from cris.data.sources.splits import split_images
from cris.errors import InputError
from cris.image import read_image
from cris.names import comparable

_ENTRIES = 10_000
"""Range of ids reserved for each image's entries, so that they do not depend on other images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """Assignment of images to splits."""

    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, val and test."""
    seed: int = 0


def convert_coco(
    instances: Path,
    images: Path,
    *,
    sentences: Path | None = None,
    split_config: SplitConfig | None = None,
    wishes: Wishes | None = None,
    selection: Selection | None = None,
    is_skipping_missing: bool = False,
    invalid: InvalidRows | None = None,
) -> Conversion:
    """Return the images that sentences are about.

    Args:
        instances: COCO's instances JSON
        images: a folder or zip of the images, by their file_name
        sentences: JSONL or CSV with image, annotation_id, sentence; None makes sentences from the annotations
        split_config: the splits, by image
        wishes: options for sentences to generate when there are none
        selection: sentences of the file to leave out
        is_skipping_missing: go on without images that are not there
        invalid: policy for invalid rows and images; by default they are refused

    Raises:
        InputError: a file is malformed, or images are missing; names file, row and field.
    """
    invalid = invalid or InvalidRows()
    annotated = read_instances(instances, invalid)
    _check_names(annotated)
    contents = ImageFiles(Images(images))
    split_config = split_config or SplitConfig()
    if sentences is None:
        _check_drawable(annotated, annotated.annotations, invalid)
        return _made(
            annotated,
            contents,
            split_config,
            wishes or Wishes(),
            invalid,
            is_skipping_missing=is_skipping_missing,
        )
    said = read_sentences(sentences, annotated, invalid)
    meant = sorted({object_id for each in said for object_id in each.object_ids})
    _check_drawable(annotated, meant, invalid, is_meant=True)
    splits = split_images({each.picture_id for each in said}, split_config.shares, split_config.seed)
    return join(
        _references(said, splits, str(sentences)),
        annotated,
        contents,
        data_set=None,
        selection=selection or Selection(),
        is_skipping_missing=is_skipping_missing,
        invalid=invalid,
    )


def _check_names(instances: Instances) -> None:
    """Check that no image occurs twice: it could otherwise end up in both train and test."""
    seen: dict[str, int] = {}
    for info in instances.images.values():
        name = comparable(info.file_name)
        if name in seen:
            raise InputError(
                f"{instances.name}: file_name {info.file_name!r} is that of images {seen[name]} "
                f"and {info.id}: give each file one id"
            )
        seen[name] = info.id


def _check_drawable(
    instances: Instances, ids: Iterable[int], invalid: InvalidRows, *, is_meant: bool = False
) -> None:
    """Draw objects before anything is written, so that errors come first; skipped ones are counted later."""
    if invalid.is_skipping:
        return
    for each in ids:
        annotation = instances.annotations[each]
        with invalid.checked("annotations"):
            annotation.object(instances.images[annotation.picture_id], is_meant=is_meant)


def _references(said: Sequence[SentenceRow], splits: Mapping[int, str], where: str) -> list[ReferenceRecord]:
    """Return sentences with the same meaning grouped into references."""
    grouped: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for each in said:
        texts = grouped.setdefault((each.picture_id, each.object_ids), [])
        if each.sentence not in texts:
            texts.append(each.sentence)
    return [
        ReferenceRecord(
            where=where,
            key=str(number),
            id=number,
            picture_id=picture_id,
            object_ids=object_ids,
            split=splits[picture_id],
            sentences=tuple(Sentence(text=text) for text in texts),
        )
        for number, ((picture_id, object_ids), texts) in enumerate(grouped.items())
    ]


def _made(
    instances: Instances,
    contents: ImageFiles,
    split_config: SplitConfig,
    wishes: Wishes,
    invalid: InvalidRows,
    *,
    is_skipping_missing: bool,
) -> Conversion:
    infos = contents.ordered(instances.images.values())
    remarks = []
    if missing := contents.missing(infos):
        remarks.append(missing_remark(missing, infos, contents, is_skipping_missing=is_skipping_missing))
        infos = [info for info in infos if info.file_name not in missing]
    splits = split_images([info.id for info in infos], split_config.shares, split_config.seed)
    category_stats = CategoryStats.of(instances)

    def make() -> Iterator[ImageRecord]:
        for place, (info, content) in enumerate(zip(infos, contents.stream(infos), strict=True)):
            record = image_record(info, content, instances, (), invalid)
            if record is None:
                continue
            if entries := _entries(record, category_stats, wishes, place, splits[info.id]):
                yield replace(record, entries=entries)

    order = json.dumps([(info.id, info.file_name) for info in infos])
    return Conversion(
        sizes=[],
        remarks=remarks,
        count=len(infos),
        # Which images get sentences is known only once they are looked at, so the first are made again.
        images=lambda start: islice(make(), start, None),
        order=hashlib.sha256(order.encode()).hexdigest(),
        invalid=invalid,
    )


def _entries(
    record: ImageRecord, category_stats: CategoryStats, wishes: Wishes, place: int, split: str
) -> tuple[ReferringEntry, ...]:
    """Return what can be said about the image, an entry for each target."""
    grouped: dict[tuple[int, ...], list[str]] = {}
    image = read_image(record.image)
    for expression in expressions_of(
        record.objects, image, category_stats, wishes, record.picture_id, record.annotated
    ):
        grouped.setdefault(expression.object_ids, []).append(expression.sentence)
    assert len(grouped) <= _ENTRIES
    return tuple(
        ReferringEntry(
            ref_id=place * _ENTRIES + number, object_ids=object_ids, sentences=tuple(texts), split=split
        )
        for number, (object_ids, texts) in enumerate(grouped.items())
    )
