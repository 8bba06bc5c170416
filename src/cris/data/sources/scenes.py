"""Scenes as the images of a data set."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.scenes import SCENES_VERSION, Scene, SceneExpression, SceneKnobs, SceneObject, Scenes
from cris.data.store.manifest import SourceInfo
from cris.errors import InputError
from cris.masks import encode_rle

_MOST = 100
"""Multiplier of an image's id that gives the first id of its objects and entries."""


@dataclass(frozen=True, kw_only=True)
class SceneSet:
    """The first scenes of some splits."""

    counts: Mapping[str, int]
    """Split → number of images."""
    sentences: int
    """Largest number of sentences per image."""
    seed: int
    size: int
    """Side of the images, in pixels."""
    knobs: SceneKnobs

    def __post_init__(self) -> None:
        """Raise an error for what cannot be rendered."""
        for split, count in self.counts.items():
            scenes = self._scenes(split)
            if not 1 <= count <= len(scenes):
                raise InputError(f"the count of split {split} must be 1 to {len(scenes):,}, got {count:,}")
        if not 1 <= self.sentences < _MOST:
            raise InputError(f"sentences must be 1 to {_MOST - 1} of an image, got {self.sentences}")

    @property
    def source(self) -> SourceInfo:
        """Return everything that decides the records."""
        return SourceInfo(kind="scenes", options={"scenes_version": SCENES_VERSION, **asdict(self)})

    def records(self, start: int) -> Iterator[ImageRecord]:
        """Yield the images from that index on."""
        places = [(split, index) for split, count in self.counts.items() for index in range(count)]
        for place in range(start, len(places)):
            split, index = places[place]
            scene = self._scenes(split).scene(index, self.sentences)
            yield _record(scene, place + 1, f"scenes-{split}-{index:06d}.png", split)

    def _scenes(self, split: str) -> Scenes:
        return Scenes(split, seed=self.seed, size=self.size, knobs=self.knobs)


def _record(scene: Scene, picture_id: int, name: str, split: str) -> ImageRecord:
    height, width = scene.image.shape[:2]
    seen = {place: each for place, each in enumerate(scene.objects) if each.mask.any()}
    first = _MOST * picture_id
    # Sentences that mean the same objects are one entry, whatever their order.
    meant = sorted(scene.expressions, key=lambda expression: expression.targets)
    groups = groupby(meant, key=lambda expression: expression.targets)
    return ImageRecord(
        picture_id=picture_id,
        file_name=name,
        height=height,
        width=width,
        image=_png(scene.image),
        objects=tuple(_object(each, first + place) for place, each in seen.items()),
        entries=tuple(
            _entry(
                list(expressions),
                first + number,
                [first + place for place in targets if place in seen],
                split,
            )
            for number, (targets, expressions) in enumerate(groups)
        ),
    )


def _entry(
    expressions: list[SceneExpression], ref_id: int, object_ids: list[int], split: str
) -> ReferringEntry:
    return ReferringEntry(
        ref_id=ref_id,
        object_ids=tuple(object_ids),
        sentences=tuple(expression.sentence for expression in expressions),
        split=split,
    )


def _object(each: SceneObject, number: int) -> ObjectRecord:
    left, top, right, bottom = map(float, each.box)
    return ObjectRecord(
        id=number,
        category=each.category,
        box=(left, top, right - left, bottom - top),
        rle=encode_rle(each.mask),
        area=float(np.count_nonzero(each.mask)),
        is_crowd=False,
    )


def _png(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
