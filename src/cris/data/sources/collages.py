"""Collages as the images of a data set."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cris.data.collages import COLLAGES_VERSION, Collage, Collages
from cris.data.records import ImageRecord, ReferringEntry
from cris.data.store.manifest import SourceInfo, read_manifest
from cris.data.stored import StoredSplit
from cris.errors import InputError

_MAX_IDS = 10_000
"""Multiplier of an image's id that gives the first id of its objects and entries."""
_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class CollageSet:
    """The first collages of a split."""

    folder: Path
    """Data set that provides the photographs."""
    split: str
    count: int
    sentences: int
    """Largest number of sentences per image."""
    seed: int

    def __post_init__(self) -> None:
        """Raise an error for what cannot be made."""
        if self.count < 1:
            raise InputError(f"count must be 1 or more, got {self.count}")
        if self.sentences < 1:
            raise InputError(f"sentences must be 1 or more of an image, got {self.sentences}")

    @property
    def source(self) -> SourceInfo:
        """Return everything that decides the records."""
        return SourceInfo(
            kind="collages",
            options={
                "collages_version": COLLAGES_VERSION,
                "photographs": read_manifest(self.folder).fingerprint,
                "split": self.split,
                "count": self.count,
                "sentences": self.sentences,
                "seed": self.seed,
            },
            remarks=(f"made of photographs of {self.folder}, whose licences go on to the collages",),
        )

    def records(self, start: int) -> Iterator[ImageRecord]:
        """Yield the images from that index on."""
        collages = Collages(StoredSplit(self.folder, self.split), seed=self.seed, count=self.count)
        for index in range(start, self.count):
            yield _record(collages.collage(index), index, self.sentences, self.split)


def _record(collage: Collage, index: int, sentences: int, split: str) -> ImageRecord:
    first = _MAX_IDS * (index + 1)
    meant: dict[tuple[int, ...], list[str]] = {}
    for expression in collage.expressions[:sentences]:
        meant.setdefault(expression.object_ids, []).append(expression.sentence)
    height, width = collage.image.shape[:2]
    background = PurePosixPath(collage.background).stem
    return ImageRecord(
        picture_id=index + 1,
        file_name=f"collage-{index:06d}-of-{background}.jpg",
        height=height,
        width=width,
        image=_jpeg(collage.image),
        objects=tuple(replace(each, id=first + each.id) for each in collage.objects),
        entries=tuple(
            ReferringEntry(
                ref_id=first + number,
                object_ids=tuple(first + each for each in object_ids),
                sentences=tuple(texts),
                split=split,
            )
            for number, (object_ids, texts) in enumerate(meant.items())
        ),
        annotated=collage.annotated,
    )


def _jpeg(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()
