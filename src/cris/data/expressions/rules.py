"""Rules for things of a group that stand out, with limits that no viewer would dispute."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from cris.data.expressions.view import Thing

ON_SIDE = {"x": 0.37, "y": 0.3}
"""Largest distance from a side of the centre of what is surely on it."""
NEAR, FAR = 0.03, 0.2
"""Distances that are surely "next to" something and surely not, as shares of the image's mean side."""
LEAST_BESIDE, MOST_BESIDE = 0.12, 0.5
"""Least distance of centres, and largest of ends, where one is left or right of the other."""
SAME_THING = 0.5
"""Overlap from which on two masks may be one thing annotated twice."""
LONGEST_ROW = 6
"""Largest number of things in a row that people count."""

CENTRAL = 0.1
"""Largest distance across from the image's centre of the centre of what is in the middle."""
DEPTH, DEPTH_RATIO = 0.06, 1.4
"""Least distance of the lower ends of things, and ratio of their areas, if one stands nearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Least differences, along "x" and "y", that make a thing stand out."""

    aside: Mapping[str, float] = field(default_factory=lambda: {"x": 0.06, "y": 0.12})
    """Least distance of centres along an axis, as a share of the image."""
    max_overlap: Mapping[str, float] = field(default_factory=lambda: {"x": 0.5, "y": 0.25})
    """Largest share of the shorter of two things that lies beside the longer one along an axis."""
    area_ratio: float = 1.9
    """Least ratio of the biggest thing's area to the next one's."""
    box_ratio: float = 1.5
    """Least ratio of the biggest thing's box to the next one's."""
    row_ratio: float = 4.0
    """Largest ratio of the areas of the largest and the smallest thing of a row."""


STRICT = Margins()


@dataclass(frozen=True, slots=True)
class Span:
    """Extent of a thing along an axis, from one end of it."""

    low: float
    high: float
    centre: float


def only(group: Sequence[Thing]) -> Iterator[tuple[str, Thing]]:
    """Yield the thing, where there is no other."""
    if len(group) == 1:
        yield "only", group[0]


def extremes(group: Sequence[Thing], margins: Margins = STRICT) -> Iterator[tuple[str, Thing]]:
    """Yield the first thing from each side: "left" of two, "leftmost" of more; and the only one on a side."""
    for side, axis, is_from_end in (
        ("left", "x", False),
        ("right", "x", True),
        ("top", "y", False),
        ("bottom", "y", True),
    ):
        spans = {thing.id: _span(thing, axis, is_from_end=is_from_end) for thing in group}
        first, *others = sorted(group, key=lambda thing: spans[thing.id].centre)
        span = spans[first.id]
        is_apart = all(_is_before(span, spans[other.id], axis, margins) for other in others)
        if len(group) > 2 and is_apart:
            yield f"{side}most", first
        if len(group) == 2 and is_apart and span.centre < 0.5:
            yield side, first
        elif (
            span.centre <= ON_SIDE[axis]
            and span.high <= 0.55
            and all(spans[other.id].centre >= 0.6 for other in others)
        ):
            yield f"{side} side", first


def places(group: Sequence[Thing]) -> Iterator[tuple[str, Thing]]:
    """Yield the only thing in a corner of the image, and the only one in its middle."""
    for high, is_low in (("top", False), ("bottom", True)):
        for side, is_from_end in (("left", False), ("right", True)):
            spans = [
                (_span(thing, "x", is_from_end=is_from_end), _span(thing, "y", is_from_end=is_low))
                for thing in group
            ]
            first = min(range(len(group)), key=lambda place: sum(each.centre for each in spans[place]))
            across, down = spans[first]
            if (
                across.centre <= ON_SIDE["x"]
                and down.centre <= ON_SIDE["x"]
                and max(across.high, down.high) <= 0.6
                and all(
                    max(x.centre, y.centre) >= 0.55 for place, (x, y) in enumerate(spans) if place != first
                )
            ):
                yield f"{high} {side} corner", group[first]
    near = sorted(group, key=lambda thing: abs(thing.x - 0.5))
    if (
        abs(near[0].x - 0.5) <= CENTRAL
        and near[0].width <= 0.6
        and all(abs(thing.x - 0.5) >= 2.5 * CENTRAL for thing in near[1:])
    ):
        yield "center", near[0]


def rows(group: Sequence[Thing], margins: Margins = STRICT) -> Iterator[tuple[str, Thing]]:
    """Yield the middle of three in a row, and those counted from the nearer side, as "second left"."""
    if not 3 <= len(group) <= LONGEST_ROW or not all(thing.is_clear for thing in group):
        return
    row = sorted(group, key=lambda thing: thing.x)
    spans = [_span(thing, "x", is_from_end=False) for thing in row]
    areas = [thing.area for thing in row]
    if (
        max(areas) > margins.row_ratio * min(areas)
        or not all(_is_before(a, b, "x", margins) for a, b in pairwise(spans))
        or not all(_overlap(_span(a, "y"), _span(b, "y")) >= 0.5 for a, b in pairwise(row))
    ):
        return
    gaps = [b.centre - a.centre for a, b in pairwise(spans)]
    if len(row) == 3 and max(gaps) <= 2 * min(gaps):
        yield "middle", row[1]
    for place in range(1, len(row) - 1):
        from_end = len(row) - 1 - place
        if place <= from_end:
            yield f"{_ORDINALS[place]} left", row[place]
        if from_end <= place:
            yield f"{_ORDINALS[from_end]} right", row[place]


def sizes(
    group: Sequence[Thing], margins: Margins = STRICT, *, is_numerous: bool
) -> Iterator[tuple[str, Thing]]:
    """Yield the biggest and the smallest, by their visible area."""
    if len(group) < 2:
        return
    *_, next_biggest, biggest = sorted(group, key=lambda thing: thing.area)
    if _is_bigger(biggest, next_biggest, margins) and all(
        _is_bigger(biggest, o, margins) for o in group if o is not biggest
    ):
        yield "biggest", biggest
    smallest, *others = sorted(group, key=lambda thing: thing.area)
    # What is cut or far off looks small without being it, and smaller ones are left out by annotators.
    if is_numerous or len(group) > 3 or any(thing.is_cut or not thing.is_clear for thing in group):
        return
    if (
        all(_is_bigger(other, smallest, margins) for other in others)
        and abs(smallest.bottom - others[0].bottom) < 0.15
    ):
        yield "smallest", smallest


def depths(group: Sequence[Thing]) -> Iterator[tuple[str, Thing]]:
    """Yield the nearest and the farthest, where both the ground and the sizes agree."""
    if not 2 <= len(group) <= LONGEST_ROW:
        return
    row = sorted(group, key=lambda thing: thing.bottom)
    for kind, thing, other in (("front", row[-1], row[-2]), ("back", row[0], row[1])):
        others = [each for each in group if each is not thing]
        if abs(thing.bottom - other.bottom) < DEPTH or any(each.is_cut for each in (thing, other)):
            continue
        ratios = [thing.area / each.area for each in others]
        if min(ratios) >= DEPTH_RATIO if kind == "front" else max(ratios) <= 1 / DEPTH_RATIO:
            yield kind, thing


def neighbours(group: Sequence[Thing], landmarks: Sequence[Thing]) -> Iterator[tuple[str, Thing, Thing]]:
    """Yield the one of the group that stands beside a landmark, with the others far from it."""
    for landmark in landmarks:
        near = [thing for thing in group if _stands_beside(thing, landmark)]
        if len(near) != 1:
            continue
        distances = _distances(landmark, group)
        (thing,) = near
        if distances[thing.id] <= NEAR and all(distances[o.id] >= FAR for o in group if o is not thing):
            yield "next to", thing, landmark


def beside(group: Sequence[Thing], landmarks: Sequence[Thing]) -> Iterator[tuple[str, Thing, Thing]]:
    """Yield the one of the group left or right of a landmark at its height, if no other is on that side."""
    for side, is_from_end in (("left of", False), ("right of", True)):
        for landmark in landmarks:
            at = _span(landmark, "x", is_from_end=is_from_end)
            on_side = [o for o in group if _span(o, "x", is_from_end=is_from_end).centre < at.centre]
            if len(on_side) != 1:
                continue
            span = _span(on_side[0], "x", is_from_end=is_from_end)
            is_at_height = _overlap(_span(on_side[0], "y"), _span(landmark, "y")) >= 0.5
            if (
                is_at_height
                and at.centre - span.centre >= LEAST_BESIDE
                and _overlap(span, at) <= 0.1
                and at.low - span.high <= MOST_BESIDE
            ):
                yield side, on_side[0], landmark


def overlap(thing: Thing, other: Thing) -> float:
    """Return the pixels that both masks have, as a share of the smaller one's."""
    if max(thing.left, other.left) >= min(thing.right, other.right):
        return 0.0
    if max(thing.top, other.top) >= min(thing.bottom, other.bottom):
        return 0.0
    shared = np.count_nonzero(thing.mask & other.mask)
    return float(shared / min(np.count_nonzero(thing.mask), np.count_nonzero(other.mask)))


def is_doubled(group: Sequence[Thing]) -> bool:
    """Check whether two masks of a category may be one thing annotated twice."""
    return any(
        a.noun == b.noun and overlap(a, b) >= SAME_THING
        for place, a in enumerate(group)
        for b in group[place + 1 :]
    )


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def _span(thing: Thing, axis: str, *, is_from_end: bool = False) -> Span:
    low, high, centre = (
        (thing.left, thing.right, thing.x) if axis == "x" else (thing.top, thing.bottom, thing.y)
    )
    return Span(1 - high, 1 - low, 1 - centre) if is_from_end else Span(low, high, centre)


def _is_before(span: Span, other: Span, axis: str, margins: Margins) -> bool:
    """Check that centre and both ends agree, and that the two hardly lie beside each other."""
    return (
        other.centre - span.centre >= margins.aside[axis]
        and (span.centre + 0.5 * margins.aside[axis] <= (other.low + other.high) / 2)
        and span.low < other.low
        and span.high < other.high
        and _overlap(span, other) <= margins.max_overlap[axis]
    )


def _overlap(span: Span, other: Span) -> float:
    """Return the share of the shorter one that lies beside the other."""
    shared = min(span.high, other.high) - max(span.low, other.low)
    return max(0.0, shared) / min(span.high - span.low, other.high - other.low)


def _is_bigger(thing: Thing, other: Thing, margins: Margins) -> bool:
    return (
        thing.area >= margins.area_ratio * other.area
        and thing.width * thing.height >= margins.box_ratio * other.width * other.height
        and thing.width >= 0.9 * other.width
        and thing.height >= 0.9 * other.height
    )


def _stands_beside(thing: Thing, landmark: Thing) -> bool:
    """Check that both stand on the same ground and are of similar size, so near in the world, too."""
    across = _overlap(_span(thing, "x"), _span(landmark, "x"))
    upright = _overlap(_span(thing, "y"), _span(landmark, "y"))
    return (
        across <= 0.3
        and upright >= 0.5
        and abs(thing.bottom - landmark.bottom) <= 0.1
        and max(thing.area, landmark.area) <= 5 * min(thing.area, landmark.area)
    )


def _distances(landmark: Thing, group: Sequence[Thing]) -> dict[int, float]:
    """Return each thing's distance from the landmark's nearest pixel, as a share of the image's mean side."""
    away = cv2.distanceTransform((~landmark.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    mean_side = sum(landmark.mask.shape) / 2
    return {thing.id: float(away[thing.mask].min()) / mean_side for thing in group}
