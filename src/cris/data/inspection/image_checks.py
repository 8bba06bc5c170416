"""Checks of one image: its bytes, its masks and boxes, its sentences."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from cris.data.inspection.findings import ERROR, WARNING, Finding
from cris.data.records import ImageRecord, ObjectRecord
from cris.errors import InputError
from cris.image import read_image
from cris.masks import box_of, decode_rle

BOX_PIXELS, BOX_SHARE = 3.0, 0.05
"""Distance that a side of a box may have from the mask's: pixels, or share of the box if that is more.

Boxes come from outlines, whose corners lie between pixels, or from people.
"""


def check_image(record: ImageRecord) -> Iterator[Finding]:
    """Yield all findings about an image by itself."""
    yield from _check_bytes(record)
    for each in record.objects:
        yield from _check_object(record, each)
    yield from _check_sentences(record)


def plain(sentence: str) -> str:
    """Return a sentence without capitals, extra spaces and punctuation."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in sentence.casefold()).split())


def _check_bytes(record: ImageRecord) -> Iterator[Finding]:
    try:
        height, width = read_image(record.image).shape[:2]
    except InputError as error:
        yield Finding("decode", ERROR, _where(record), str(error))
        return
    if (height, width) != (record.height, record.width):
        what = f"height and width must be {record.height}×{record.width}, got {height}×{width} once decoded"
        yield Finding("decode", ERROR, _where(record), what)


def _check_object(record: ImageRecord, each: ObjectRecord) -> Iterator[Finding]:
    where = f"{_where(record)}: object {each.id}"
    try:
        mask = decode_rle(each.rle)
    except InputError as error:
        yield Finding("mask", ERROR, where, str(error))
        return
    if mask.shape != (record.height, record.width):
        what = f"the mask must be of the image's size {record.height}×{record.width}, got {mask.shape}"
        yield Finding("mask", ERROR, where, what)
        return
    if not mask.any() or mask.all():
        yield Finding("mask", WARNING, where, f"the mask is {'full' if mask.any() else 'empty'}")
    yield from _check_box(where, each, mask)


def _check_box(where: str, each: ObjectRecord, mask: Bool[np.ndarray, "height width"]) -> Iterator[Finding]:
    found = box_of(mask)
    if found is None:
        return
    left, top, width, height = each.box
    told = (left, top, left + width, top + height)
    allowed = np.maximum(BOX_PIXELS, BOX_SHARE * np.array([width, height, width, height]))
    if not (np.abs(np.subtract(told, found)) <= allowed).all():  # a NaN is not within anything
        what = f"the box's left, top, right, bottom must lie round the mask's {found}, got {_rounded(told)}"
        yield Finding("box", WARNING, where, what)


def _check_sentences(record: ImageRecord) -> Iterator[Finding]:
    meant: dict[str, dict[frozenset[int], str]] = {}
    for entry in record.entries:
        for sentence in entry.sentences:
            meant.setdefault(plain(sentence), {})[frozenset(entry.object_ids)] = sentence
            if not any(map(str.isalpha, sentence)):
                where = f"{_where(record)}: entry {entry.ref_id}"
                yield Finding("letters", WARNING, where, f"the sentence {sentence!r} has no letters")
    for objects in meant.values():
        if len(objects) > 1:
            sentence = next(iter(objects.values()))
            sets = " and ".join(str(sorted(each)) for each in objects)
            yield Finding("ambiguous", WARNING, _where(record), f"{sentence!r} is on the objects {sets}")


def _where(record: ImageRecord) -> str:
    return f"{record.file_name} (image {record.picture_id})"


def _rounded(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(number, 1) for number in numbers)
