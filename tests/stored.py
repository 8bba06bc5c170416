"""Small records, and data sets of them."""

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.store.manifest import Manifest, SourceInfo
from cris.data.store.writing import write_dataset
from cris.masks import encode_rle

HEIGHT, WIDTH = 48, 64
SOURCE = SourceInfo(kind="test", options={"count": 4})


def encoded(number: int, format: str = "PNG", quality: int = 90) -> bytes:
    """A smooth image, unlike those of other numbers."""
    cells = np.random.default_rng(number).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(cv2.resize(cells, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    buffer = io.BytesIO()
    image.save(buffer, format, quality=quality)
    return buffer.getvalue()


def mask_of(left: int, top: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def an_object(number: int, box: tuple[int, int, int, int], category: str = "dog") -> ObjectRecord:
    left, top, width, height = map(float, box)
    return ObjectRecord(
        id=number,
        category=category,
        box=(left, top, width, height),
        rle=encode_rle(mask_of(*box)),
        area=width * height,
        is_crowd=False,
    )


def record(number: int, split: str = "train") -> ImageRecord:
    """An image with two dogs and a cat, and entries that mean one, none and two objects."""
    first = 10 * number
    return ImageRecord(
        picture_id=number,
        file_name=f"street-{number}.png",
        height=HEIGHT,
        width=WIDTH,
        image=encoded(number),
        objects=(
            an_object(first, (2, 3, 10, 20)),
            an_object(first + 1, (30, 5, 12, 9)),
            an_object(first + 2, (20, 25, 30, 20), "cat"),
        ),
        entries=(
            ReferringEntry(
                ref_id=first, object_ids=(first,), sentences=("left dog", "the dog on the left"), split=split
            ),
            ReferringEntry(ref_id=first + 1, object_ids=(), sentences=("a blue boat",), split=split),
            ReferringEntry(
                ref_id=first + 2, object_ids=(first, first + 1), sentences=("both dogs",), split=split
            ),
        ),
    )


def records(count: int) -> list[ImageRecord]:
    """Three of four are in train, one is in val."""
    return [record(number, "val" if number % 4 == 3 else "train") for number in range(count)]


def write(out: Path, images: list[ImageRecord], source: SourceInfo = SOURCE, **how: bool) -> Manifest:
    return write_dataset(out, lambda start: images[start:], source, command="cris data test", **how)


def with_entry(image: ImageRecord, **changes: object) -> ImageRecord:
    """The image with another first entry."""
    first, *others = image.entries
    return replace(image, entries=(replace(first, **changes), *others))


def with_object(image: ImageRecord, **changes: object) -> ImageRecord:
    """The image with another last object, to which nothing refers."""
    *others, last = image.objects
    return replace(image, objects=(*others, replace(last, **changes)))
