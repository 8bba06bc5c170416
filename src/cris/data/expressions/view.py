"""Visual properties of an image's annotated objects: position, size, clarity."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool

from cris.data.expressions.nouns import noun_of
from cris.data.records import ObjectRecord
from cris.masks import box_of, decode_rle

Mask = Bool[np.ndarray, "height width"]

BORDER = 0.012
"""Share of the image's side within which an object is at the border."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clarity:
    """Limits within which anybody would see an object and take its mask for the whole of it."""

    min_area: float = 0.008
    """Least share of the image that an object covers, if a sentence is to mean it."""
    min_area_at_border: float = 0.015
    """Least share for objects that one side of the image cuts."""
    min_area_at_corner: float = 0.105
    """Least share for objects that two sides or more cut: a sleeve is hardly a person."""
    max_area: float = 0.75
    """Largest share of the image; beyond it a mask is the background rather than a thing."""
    min_side: float = 0.06
    """Least length of both sides of its box, as a share of the image's mean side."""
    min_depth_at_border: float = 0.1
    """Least reach into the image, as a share of its side, of objects cut by a side: slivers do not count."""
    min_wholeness: float = 0.85
    """Least share of an object that is in one piece."""
    max_covered: float = 0.12
    """Largest share of a mask that smaller masks may claim: tables often include everything on them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thing:
    """An annotated object; lengths are shares of the image's width and height, areas of its area."""

    id: int
    noun: str
    mask: Mask
    left: float
    top: float
    right: float
    bottom: float
    x: float
    """Centre of mass."""
    y: float
    area: float
    is_crowd: bool
    is_clear: bool
    """True if anybody would see it and take its mask for the whole of it."""

    @property
    def width(self) -> float:
        """Return the width of its box."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Return the height of its box."""
        return self.bottom - self.top

    @property
    def is_cut(self) -> bool:
        """Check whether it extends beyond the image's border."""
        return bool(_cuts(self.left, self.top, self.right, self.bottom))


def things_of(objects: Sequence[ObjectRecord], clarity: Clarity) -> list[Thing]:
    """Return the objects whose masks have any pixels."""
    masks = {each.id: decode_rle(each.rle) for each in objects}
    things: list[Thing] = []
    claimed = np.zeros((), dtype=bool)
    for each in sorted(objects, key=lambda each: np.count_nonzero(masks[each.id])):
        mask = masks[each.id]
        if mask.any():
            covered = float(np.broadcast_to(claimed, mask.shape)[mask].mean())
            things.append(_thing(each, mask, covered, clarity))
            if not each.is_crowd:
                claimed = claimed | mask
    return sorted(things, key=lambda thing: thing.id)


def _thing(record: ObjectRecord, mask: Mask, covered: float, clarity: Clarity) -> Thing:
    height, width = mask.shape
    box = box_of(mask)
    assert box is not None
    left, top, right, bottom = box[0] / width, box[1] / height, box[2] / width, box[3] / height
    rows, columns = np.nonzero(mask[box[1] : box[3], box[0] : box[2]])
    area = len(rows) / mask.size
    depths = _cuts(left, top, right, bottom)
    mean_side = (height + width) / 2
    min_areas = (clarity.min_area, clarity.min_area_at_border, clarity.min_area_at_corner)
    is_clear = (
        not record.is_crowd
        and min_areas[min(len(depths), 2)] <= area <= clarity.max_area
        and all(depth >= clarity.min_depth_at_border for depth in depths)
        and min(box[2] - box[0], box[3] - box[1]) >= clarity.min_side * mean_side
        and covered <= clarity.max_covered
        and wholeness(mask[box[1] : box[3], box[0] : box[2]]) >= clarity.min_wholeness
    )
    return Thing(
        id=record.id,
        noun=noun_of(record.category),
        mask=mask,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        x=(box[0] + float(columns.mean()) + 0.5) / width,
        y=(box[1] + float(rows.mean()) + 0.5) / height,
        area=area,
        is_crowd=record.is_crowd,
        is_clear=is_clear,
    )


def _cuts(left: float, top: float, right: float, bottom: float) -> list[float]:
    """Return, for each side of the image that the box touches, how far it reaches in from there."""
    gaps = ((left, right - left), (1 - right, right - left), (top, bottom - top), (1 - bottom, bottom - top))
    return [depth for gap, depth in gaps if gap <= BORDER]


def wholeness(mask: Mask) -> float:
    """Return the largest connected part's share of the mask."""
    _, _, sizes, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask, dtype=np.uint8))
    return float(sizes[1:, cv2.CC_STAT_AREA].max() / mask.sum())
