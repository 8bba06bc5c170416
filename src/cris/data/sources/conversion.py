"""Combination of references, instances and image files into the images of a data set."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol, runtime_checkable

from cris.data.annotations.instances import ImageInfo, Instances
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.polygons import stray_polygons
from cris.data.annotations.references import ReferenceRecord, SplitSize, split_sizes
from cris.data.annotations.selection import Selection, select
from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.sources.images import Images
from cris.errors import InputError
from cris.image import open_image, orientation_of, read_image

_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap height and width."""
_NAMES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A source that was checked and is ready to be written."""

    sizes: list[SplitSize]
    """Sizes of all splits in the source, before anything is left out."""
    remarks: list[str]
    """Notes for the user, a line each."""
    count: int
    """Number of images."""
    images: Callable[[int], Iterator[ImageRecord]]
    """Function that makes the images again, always in the same order, minus as many of the first as told."""
    order: str
    """Sha256 of the images' ids and names in their order."""
    invalid: InvalidRows
    """Policy for invalid rows, and what it left out; complete once all images are made."""


@runtime_checkable
class Contents(Protocol):
    """Interface to encoded images."""

    def missing(self, infos: Iterable[ImageInfo]) -> set[str]:
        """Return the file names of the images that are missing."""
        ...

    def example(self, name: str) -> str | None:
        """Return the name of an available image, if possible of one in another folder called `name`."""
        ...

    def ordered(self, infos: Iterable[ImageInfo]) -> list[ImageInfo]:
        """Return the images in the order in which they are best read."""
        ...

    def stream(self, infos: Sequence[ImageInfo]) -> Iterator[bytes | InputError]:
        """Yield the encoded images, or why one cannot be read, one by one; `infos` must be in that order."""
        ...


class ImageFiles:
    """Encoded images in a folder or a zip, by their file names."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def missing(self, infos: Iterable[ImageInfo]) -> set[str]:
        """Return the file names of the images that are missing."""
        return set(self._images.missing([info.file_name for info in infos]))

    def example(self, name: str) -> str | None:
        """Return the name of an available image, if possible of one in another folder called `name`."""
        return self._images.example(name)

    def ordered(self, infos: Iterable[ImageInfo]) -> list[ImageInfo]:
        """Return the images sorted by id."""
        return sorted(infos, key=lambda info: info.id)

    def stream(self, infos: Sequence[ImageInfo]) -> Iterator[bytes | InputError]:
        """Yield the encoded images, or why one cannot be read, one at a time."""
        for info in infos:
            try:
                yield self._images.read(info.file_name)
            except InputError as error:
                yield error


def join(
    references: Sequence[ReferenceRecord],
    instances: Instances,
    contents: Contents,
    *,
    data_set: str | None,
    selection: Selection,
    is_skipping_missing: bool,
    invalid: InvalidRows | None = None,
) -> Conversion:
    """Return the images that anything refers to, with all their objects.

    Raises:
        InputError: a reference is to something missing and `invalid` refuses it, or images are missing
            and may not be skipped.
    """
    invalid = invalid or InvalidRows()
    known: list[ReferenceRecord] = []
    for reference in references:
        with invalid.checked("references"):
            check_reference(reference, instances)
            known.append(reference)
    sizes = split_sizes(known, data_set)
    selected = select(known, instances, selection)
    left, remarks = without_blanks(selected.references)
    remarks = [*selected.remarks, *remarks, *_leaks(known), *_other_categories(known, instances)]
    by_image: dict[int, list[ReferenceRecord]] = {}
    for reference in left:
        by_image.setdefault(reference.picture_id, []).append(reference)
    infos = contents.ordered(instances.images[picture_id] for picture_id in by_image)
    if missing := contents.missing(infos):
        remarks.append(missing_remark(missing, infos, contents, is_skipping_missing=is_skipping_missing))
        infos = [info for info in infos if info.file_name not in missing]

    def make(start: int) -> Iterator[ImageRecord]:
        # while nothing invalid is skipped, each image makes a record: the first are not read again
        done = 0 if invalid.is_skipping else start
        for info in infos[:done]:
            _drawn(info, instances, by_image[info.id], invalid)  # for what is left out of them
        rest = infos[done:]
        records = (
            image_record(info, content, instances, by_image[info.id], invalid)
            for info, content in zip(rest, contents.stream(rest), strict=True)
        )
        return islice((record for record in records if record and record.entries), start - done, None)

    order = json.dumps([(info.id, info.file_name) for info in infos])
    return Conversion(
        sizes=sizes,
        remarks=remarks,
        count=len(infos),
        images=make,
        order=hashlib.sha256(order.encode()).hexdigest(),
        invalid=invalid,
    )


def check_reference(reference: ReferenceRecord, instances: Instances) -> None:
    """Raise InputError when the reference's image or objects do not exist."""
    if reference.picture_id not in instances.images:
        raise InputError(
            f"{reference.where}: image_id {reference.picture_id} is no image of {instances.name}"
        )
    for object_id in reference.object_ids:
        annotation = instances.annotations.get(object_id)
        if annotation is None:
            raise InputError(f"{reference.where}: ann_id {object_id} is no annotation of {instances.name}")
        if annotation.picture_id != reference.picture_id:
            raise InputError(
                f"{reference.where}: ann_id {object_id} must be in image {reference.picture_id}, "
                f"it is in {annotation.picture_id}"
            )


def without_blanks(references: Sequence[ReferenceRecord]) -> tuple[list[ReferenceRecord], list[str]]:
    """Return the references without empty sentences, and a note when there were some."""
    left: list[ReferenceRecord] = []
    for reference in references:
        sentences = tuple(sentence for sentence in reference.sentences if sentence.text)
        if sentences:
            left.append(replace(reference, sentences=sentences))
    before = sum(len(reference.sentences) for reference in references)
    blank = before - sum(len(reference.sentences) for reference in left)
    if not blank and len(left) == len(references):
        return left, []
    gone = len(references) - len(left)
    return left, [f"{blank:,} blank sentences left out, and {gone:,} references that had no others"]


def image_record(
    info: ImageInfo,
    content: bytes | InputError,
    instances: Instances,
    references: Sequence[ReferenceRecord],
    invalid: InvalidRows,
) -> ImageRecord | None:
    """Return the image with its objects and referring entries; None where `invalid` leaves it out.

    An object that cannot be drawn is left out; so are the sentences about it, where `invalid` allows that.

    Raises:
        InputError: the image is damaged or of another size, or a target object cannot be drawn, and
            `invalid` refuses that.
    """
    try:
        if isinstance(content, InputError):
            raise content
        check_image(content, info.file_name, info.height, info.width)
    except InputError as error:
        invalid.refuse("images", error)
        _leave_out_sentences(references, info.file_name, invalid)
        return None
    objects, left, unseen = _drawn(info, instances, references, invalid)
    annotated = info.annotated
    if unseen:  # nothing can be said of categories of which an object is left out
        annotated = tuple(
            name for name in (instances.categories if annotated is None else annotated) if name not in unseen
        )
    return ImageRecord(
        picture_id=info.id,
        file_name=info.file_name,
        height=info.height,
        width=info.width,
        image=content,
        objects=tuple(objects),
        entries=tuple(
            ReferringEntry(
                ref_id=reference.id,
                object_ids=reference.object_ids,
                sentences=tuple(sentence.text for sentence in reference.sentences),
                split=reference.split,
            )
            for reference in sorted(left, key=lambda reference: reference.id)
        ),
        annotated=annotated,
    )


def _drawn(
    info: ImageInfo, instances: Instances, references: Sequence[ReferenceRecord], invalid: InvalidRows
) -> tuple[list[ObjectRecord], list[ReferenceRecord], set[str]]:
    """Return an image's objects, the references to them, and the categories of objects that are left out."""
    meant = {object_id for reference in references for object_id in reference.object_ids}
    objects: list[ObjectRecord] = []
    bad: dict[int, str] = {}
    for annotation in instances.of_image(info.id):
        try:
            objects.append(annotation.object(info, is_meant=annotation.id in meant))
        except InputError as error:
            if annotation.id in meant:
                invalid.refuse("annotations", error)
            else:
                invalid.leave_out("annotations", error)
            bad[annotation.id] = annotation.category
        for place in stray_polygons(annotation.segmentation):
            stray = InputError(f"{annotation.where}: polygon {place} has fewer than three points")
            invalid.leave_out("polygons", stray)
    left = [reference for reference in references if bad.keys().isdisjoint(reference.object_ids)]
    lost = [reference for reference in references if not bad.keys().isdisjoint(reference.object_ids)]
    _leave_out_sentences(lost, f"an object of {info.file_name}", invalid)
    return objects, left, set(bad.values())


def _leave_out_sentences(references: Sequence[ReferenceRecord], what: str, invalid: InvalidRows) -> None:
    for reference in references:
        for each in reference.sentences:
            sentence = f"{reference.where}: {each.text!r} of reference {reference.key}"
            invalid.leave_out("sentences", InputError(f"{sentence} is about {what}, which is left out"))


def check_image(content: bytes, name: str, height: int, width: int) -> None:
    """Raise InputError when an encoded image is damaged, or of another size after EXIF rotation."""
    try:
        with open_image(content, name) as image:
            size = image.size
            image.draft("RGB", (1, 1))  # of a JPEG all is read, but only an eighth of it computed
            image.load()
            if orientation_of(image) in _TURNED:  # asked once loaded: Pillow turns TIFF itself
                size = size[::-1]
    except MemoryError:
        raise
    except Exception:
        try:
            size = read_image(content).shape[1::-1]
        except InputError as error:
            raise InputError(f"{name}: damaged image, or none ({error}); fetch it again") from error
    if size != (width, height):
        raise InputError(
            f"{name}: image must have the annotated height and width {height}×{width}, "
            f"got {size[1]}×{size[0]} once upright"
        )


def _leaks(references: Sequence[ReferenceRecord]) -> list[str]:
    """Return a note when splits share images, as those of RefCOCOg's google partition do by design."""
    images: dict[str, set[int]] = {}
    for reference in references:
        images.setdefault(reference.split, set()).add(reference.picture_id)
    train = images.pop("train", set())
    shared = {split: len(train & ids) for split, ids in images.items() if train & ids}
    return [f"{count:,} images of {split} are in train too" for split, count in sorted(shared.items())]


def _other_categories(references: Sequence[ReferenceRecord], instances: Instances) -> list[str]:
    """Return a note when references give their objects other categories than the annotations do."""
    first, count = "", 0
    for reference in references:
        for object_id, told in zip(reference.object_ids, reference.category_ids, strict=False):
            annotation = instances.annotations[object_id]
            if annotation.category_id not in (None, told):
                count += 1
                first = first or (
                    f"ref_id {reference.id} says {told}, annotation {object_id} is of "
                    f"{annotation.category_id}, {annotation.category}"
                )
    return [f"{count:,} references name another category than their object's: {first}"] if count else []


def missing_remark(
    missing: set[str], infos: Sequence[ImageInfo], contents: Contents, *, is_skipping_missing: bool
) -> str:
    """Return a note on missing images; raise InputError unless they may be skipped."""
    count = len(infos)
    if len(missing) == count:
        name = min(missing)
        example = contents.example(name)
        raise InputError(
            f"none of the {count:,} images is there: --images must have {name} right inside, "
            + (f"it has {example}" if example else "it has no images")
        )
    some = ", ".join(sorted(missing)[:_NAMES_SHOWN]) + ("…" if len(missing) > _NAMES_SHOWN else "")
    remark = f"{len(missing):,} of {count:,} images are missing: {some}"
    if not is_skipping_missing:
        raise InputError(f"{remark}; pass --skip-missing to go on without them")
    return f"{remark}; they and what refers to them are left out"
