"""Facts of a layout: which objects share which attributes, and how they lie relative to one another."""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from cris.data.scenes.layout import TARGET_VISIBLE, SceneLayout

Box = tuple[float, float, float, float]

RELATION_GAP = 0.08
"""Least distance of centres for "left of" and the like; all lengths are shares of the side."""
NO_GAP = 0.02
"""Distance of centres up to which nobody would say it."""
CLEAR_SLOPE, NO_SLOPE = 0.9, 2.0
"""Sideways share of the distance up to which a direction clearly holds, from which it clearly does not."""
NEAR_GAP, FAR_GAP = 0.05, 0.15
"""Gap between boxes up to which objects are next to each other, from which they are not."""
ORDER_GAP = 0.04
"""Least distance of neighbours in an order."""
NEAREST_GAP = 0.06
REGION_GAP = 0.04
"""Distance from the middle at which an object is clearly on one side."""
AREA_RATIO = 1.25
"""Least ratio of the areas of objects ordered by size."""
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}
SIDES = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}
"""Side → axis, and the sign that makes an order start at that side."""


def members(objects: int) -> Iterator[int]:
    """Yield the indices of the set bits."""
    while objects:
        lowest = objects & -objects
        yield lowest.bit_length() - 1
        objects ^= lowest


def is_single(objects: int) -> bool:
    """Check whether exactly one bit is set."""
    return objects != 0 and objects & (objects - 1) == 0


class Facts:
    """Sets of objects as integers whose bit i stands for object i; lengths are shares of the side."""

    def __init__(self, layout: SceneLayout) -> None:
        self.items = layout.items
        self.everything = (1 << len(layout.items)) - 1
        self.clear = sum(1 << i for i, share in enumerate(layout.visibility) if share >= TARGET_VISIBLE)
        self.shared: dict[tuple[str, str], int] = {}
        for index, item in enumerate(layout.items):
            for attribute in ("category", "colour", "texture", "size"):
                key = attribute, getattr(item, attribute)
                self.shared[key] = self.shared.get(key, 0) | 1 << index
        side = layout.owner.shape[0]
        self.areas = [int(patch.solid.sum()) for patch in layout.patches]
        self._boxes = [_seen_box(layout, index) for index in range(len(layout.items))]
        seen = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in self._boxes]
        whole = [
            ((p.left + p.solid.shape[1] / 2) / side, (p.top + p.solid.shape[0] / 2) / side)
            for p in layout.patches
        ]
        self._centres = (whole, seen)
        self._related: dict[tuple[str, int], tuple[int, int]] = {}

    def having(self, attribute: str, value: str) -> int:
        """Return the objects with this value of "category", "colour", "texture" or "size"."""
        return self.shared.get((attribute, value), 0)

    def related(self, relation: str, anchor: int) -> tuple[int, int]:
        """Return the objects clearly in this relation to the anchor, and those that may be."""
        key = relation, anchor
        if key not in self._related:
            yes = maybe = 0
            for index in range(len(self.items)):
                if index != anchor:
                    clear, possible = (
                        self._is_near(index, anchor)
                        if relation == "near"
                        else self._is_towards(index, anchor, *DIRECTIONS[relation])
                    )
                    yes |= clear << index
                    maybe |= possible << index
            self._related[key] = yes, maybe
        return self._related[key]

    def _is_towards(self, index: int, anchor: int, axis: int, sign: int) -> tuple[bool, bool]:
        clear, possible = True, False
        for centres in self._centres:
            along = (centres[index][axis] - centres[anchor][axis]) * sign
            aside = abs(centres[index][1 - axis] - centres[anchor][1 - axis])
            clear = clear and along >= RELATION_GAP and aside <= CLEAR_SLOPE * along
            possible = possible or (along > NO_GAP and aside < NO_SLOPE * along)
        return clear, possible

    def _is_near(self, index: int, anchor: int) -> tuple[bool, bool]:
        gap = self._gap(index, anchor)
        return gap <= NEAR_GAP, gap < FAR_GAP

    def _gap(self, first: int, second: int) -> float:
        a, b = self._boxes[first], self._boxes[second]
        across = max(a[0] - b[2], b[0] - a[2], 0.0)
        down = max(a[1] - b[3], b[1] - a[3], 0.0)
        return math.sqrt(across * across + down * down)

    def nearest(self, objects: int, anchor: int) -> int:
        """Return the object clearly nearest to the anchor, as a set; empty when there is none."""
        rest = list(members(objects & ~(1 << anchor)))
        reach = [max(self._distance(index, anchor, centres) for centres in self._centres) for index in rest]
        if not rest:
            return 0
        best = min(range(len(rest)), key=reach.__getitem__)
        for place, index in enumerate(rest):
            if place != best and (
                min(self._distance(index, anchor, centres) for centres in self._centres)
                < reach[best] + NEAREST_GAP
                or self._gap(index, anchor) < self._gap(rest[best], anchor)
            ):
                return 0
        return 1 << rest[best]

    def _distance(self, first: int, second: int, centres: list[tuple[float, float]]) -> float:
        across = centres[first][0] - centres[second][0]
        down = centres[first][1] - centres[second][1]
        return math.sqrt(across * across + down * down)

    def order(self, objects: int, side: str) -> list[int]:
        """Return the objects counted from a side; empty when two of them are too close to tell apart."""
        axis, sign = SIDES[side]
        whole, seen = self._centres
        ranked = sorted(members(objects), key=lambda index: sign * whole[index][axis])
        for before, after in pairwise(ranked):
            if any((c[after][axis] - c[before][axis]) * sign < ORDER_GAP for c in (whole, seen)):
                return []
        return ranked

    def farthest(self, objects: int, side: str) -> int:
        """Return the object clearly farthest towards a side, as a set; empty when there is none."""
        axis, sign = SIDES[side]
        whole, seen = self._centres
        best = min(members(objects), key=lambda index: sign * whole[index][axis])
        for index in members(objects & ~(1 << best)):
            if any((c[index][axis] - c[best][axis]) * sign < ORDER_GAP for c in (whole, seen)):
                return 0
        return 1 << best

    def within(self, objects: int, side: str) -> int:
        """Return the only object on a side of the image, as a set; empty when unclear."""
        axis, sign = SIDES[side]
        inside = 0
        for index in members(objects):
            places = [(centres[index][axis] - 0.5) * sign for centres in self._centres]
            if all(place <= -REGION_GAP for place in places):
                inside |= 1 << index
            elif any(place < REGION_GAP for place in places):
                return 0
        return inside if is_single(inside) else 0

    def by_size(self, objects: int, size: str, place: int) -> int:
        """Return the object at a position (from 0) in the order of size, as a set; `size` is where it starts.

        Every position up to it must be held by one object alone, a size class apart from the next.
        """
        classes = ("small", "medium", "large") if size == "small" else ("large", "medium", "small")
        groups = [objects & self.having("size", name) for name in classes]
        groups = [group for group in groups if group]
        if place >= len(groups) - 1 or not all(map(is_single, groups[: place + 1])):
            return 0
        for rank, group in enumerate(groups[: place + 1]):
            area = self.areas[next(members(group))]
            for index in members(sum(groups[rank + 1 :])):
                larger, smaller = (area, self.areas[index]) if size == "large" else (self.areas[index], area)
                if larger < AREA_RATIO * smaller:
                    return 0
        return groups[place]


def _seen_box(layout: SceneLayout, index: int) -> Box:
    """Return the box of an object's visible part."""
    patch = layout.patches[index]
    height, width = patch.solid.shape
    side = layout.owner.shape[0]
    left, top, right, bottom = patch.left, patch.top, patch.left + width, patch.top + height
    if layout.visibility[index] < 1:
        seen = layout.owner[top:bottom, left:right] == index
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        left, right = left + int(columns[0]), left + int(columns[-1]) + 1
        top, bottom = top + int(rows[0]), top + int(rows[-1]) + 1
    return left / side, top / side, right / side, bottom / side
