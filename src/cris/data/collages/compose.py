"""Composition of a photograph and pasted cut-outs, and what remains visible of every object."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8

from cris.data.collages.cutouts import CollagePhotograph, Cutout
from cris.data.collages.paste import paste
from cris.data.records import ObjectRecord
from cris.data.scenes.draws import Draws
from cris.masks import box_of, encode_rle

Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Composition:
    """An image and its objects, whose ids are their indices."""

    image: UInt8[np.ndarray, "height width 3"]
    objects: tuple[ObjectRecord, ...]
    """Objects of the background photograph as far as they are visible, then the pasted ones."""
    visible: tuple[float, ...]
    """Share of each object that nothing pasted later covers."""
    pasted: tuple[int, ...]
    """Ids of the pasted objects and of what lies on them."""


def compose(below: CollagePhotograph, cutouts: Sequence[Cutout], draws: Draws) -> Composition:
    """Paste the cut-outs one after the other: later ones cover earlier ones and the background."""
    image = below.image.copy()
    layers = [(cutout.categories, paste(image, cutout, draws)) for cutout in cutouts]
    covered = np.zeros(image.shape[:2], dtype=bool)
    pasted: list[tuple[ObjectRecord, float]] = []
    for categories, masks in reversed(layers):
        found = [_seen(*each, covered) for each in zip(categories, masks, strict=True)]
        pasted = [*(each for each in found if each is not None), *pasted]
        covered |= masks[0]
    seen = [*_below(below, covered), *pasted]
    return Composition(
        image=image,
        objects=tuple(replace(each, id=place) for place, (each, _) in enumerate(seen)),
        visible=tuple(visible for _, visible in seen),
        pasted=tuple(range(len(seen) - len(pasted), len(seen))),
    )


def _below(below: CollagePhotograph, covered: Mask) -> Iterator[tuple[ObjectRecord, float]]:
    for each in below.record.objects:
        mask = below.mask(each)
        box = box_of(mask)
        if below.reduction == 1 and box is not None and not (mask & covered).any():
            yield replace(each, box=_xywh(box)), 1.0
        elif seen := _seen(each.category, mask, covered):
            record, visible = seen
            yield replace(record, is_crowd=each.is_crowd), visible


def _seen(category: str, mask: Mask, covered: Mask) -> tuple[ObjectRecord, float] | None:
    """Return what remains visible of an object, and its share; None when nothing does."""
    left = mask & ~covered
    box = box_of(left)
    if box is None:
        return None
    pixels = np.count_nonzero(left)
    record = ObjectRecord(
        id=0,
        category=category,
        box=_xywh(box),
        rle=encode_rle(left),
        area=float(pixels),
        is_crowd=False,
    )
    return record, pixels / np.count_nonzero(mask)


def _xywh(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, box)
    return left, top, right - left, bottom - top
