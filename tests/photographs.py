"""Small photographs with objects that can be cut out: discs of one colour on smooth grey."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.stored import StoredSplit
from cris.masks import encode_rle
from tests.stored import write

HEIGHT, WIDTH = 180, 240
RED, GREEN, BLUE, MAGENTA = (200, 30, 30), (30, 170, 40), (40, 50, 200), (230, 0, 230)


@dataclass(frozen=True)
class Disc:
    """An object of a photograph."""

    category: str
    centre: tuple[int, int] = (120, 90)
    radius: int = 30
    colour: tuple[int, int, int] = RED
    is_crowd: bool = False


def disc_mask(disc: Disc, scale: int = 1) -> np.ndarray:
    rows, columns = np.indices((scale * HEIGHT, scale * WIDTH))
    across, down = (scale * side for side in disc.centre)
    return (columns - across) ** 2 + (rows - down) ** 2 <= (scale * disc.radius) ** 2


def ground(number: int, scale: int = 1) -> np.ndarray:
    """Grey that differs from photograph to photograph."""
    cells = np.random.default_rng(number).integers(90, 170, (5, 5), dtype=np.uint8)
    grey = cv2.resize(cells, (scale * WIDTH, scale * HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.repeat(grey[..., None], 3, axis=2)


def photograph(
    number: int,
    discs: Sequence[Disc],
    *,
    split: str = "train",
    annotated: tuple[str, ...] | None = None,
    scale: int = 1,
    format: str = "PNG",
) -> ImageRecord:
    """Later discs lie on earlier ones, whose masks go on below; an entry for each disc that is no crowd."""
    image = ground(number, scale)
    objects = []
    for place, disc in enumerate(discs):
        mask = disc_mask(disc, scale)
        image[mask] = disc.colour
        (across, down), radius = disc.centre, disc.radius
        objects.append(
            ObjectRecord(
                id=100 * number + place,
                category=disc.category,
                box=tuple(
                    scale * float(side) for side in (across - radius, down - radius, *2 * [2 * radius])
                ),
                rle=encode_rle(mask),
                area=float(mask.sum()),
                is_crowd=disc.is_crowd,
            )
        )
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format, quality=95)
    return ImageRecord(
        picture_id=number,
        file_name=f"photo-{number}.{format.lower()}",
        height=scale * HEIGHT,
        width=scale * WIDTH,
        image=buffer.getvalue(),
        objects=tuple(objects),
        entries=tuple(
            ReferringEntry(
                ref_id=each.id, object_ids=(each.id,), sentences=(f"the {each.category}",), split=split
            )
            for each in objects
            if not each.is_crowd
        ),
        annotated=annotated,
    )


def stored(out: Path, images: Iterable[ImageRecord], split: str = "train") -> StoredSplit:
    write(out, list(images))
    return StoredSplit(out, split)


def plain_photographs(count: int = 6) -> list[ImageRecord]:
    """Photographs of a dog, a bus or a person, in turns, each of another size and place."""
    return [
        photograph(
            number,
            [
                Disc(
                    ("dog", "bus", "person")[number % 3],
                    centre=(70 + 17 * number % 100, 80 + 11 * number % 30),
                    radius=22 + 3 * number % 14,
                    colour=(RED, BLUE, GREEN)[number % 3],
                )
            ],
        )
        for number in range(1, count + 1)
    ]
