"""Contacts between things, from masks that touch: things on other things, and things people carry."""

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np

from cris.data.expressions.view import Mask, Thing

TOUCH = 0.012
"""Largest distance at which masks touch, as a share of the image's mean side."""
APART = 0.04
"""Distance from which on they surely do not touch."""
MIN_OVER = 0.6
"""Least share of a thing's width that lies over what it is on."""
SUPPORTS = frozenset(
    {
        *("dining table", "couch", "bed", "bench", "chair", "motorcycle", "bicycle", "horse", "elephant"),
        *("skateboard", "surfboard", "snowboard", "skis", "boat", "book", "suitcase", "car", "oven"),
    }
)
"""Categories that other things are on."""
PEOPLE_ON = SUPPORTS - {"dining table", "book", "suitcase", "car", "oven"}
"""Categories of these that people are on."""
GROUNDED = frozenset(
    {
        *("dining table", "couch", "bed", "bench", "chair", "refrigerator", "oven", "toilet", "sink"),
        *("car", "truck", "bus", "train", "airplane", "boat", "motorcycle", "bicycle", "parking meter"),
        *("traffic light", "stop sign", "fire hydrant", "elephant", "giraffe", "zebra", "horse", "cow"),
    }
)
"""Categories that stand on the ground, whatever their masks touch."""
CARRIED = frozenset(
    {
        *("umbrella", "backpack", "handbag", "tie", "suitcase", "frisbee", "sports ball", "kite"),
        *("baseball bat", "baseball glove", "skateboard", "surfboard", "snowboard", "skis", "tennis racket"),
        *("cell phone", "remote", "cup", "wine glass", "bottle", "pizza", "donut", "sandwich", "hot dog"),
        *("banana", "apple", "cake", "teddy bear", "toothbrush", "hair drier", "laptop", "book"),
    }
)
"""Categories that people hold or wear."""


def on_top(group: Sequence[Thing], others: Mapping[str, Sequence[Thing]]) -> Iterator[tuple[Thing, str]]:
    """Yield the one of the group that is on a thing of another category, with that category's noun."""
    if any(thing.noun in GROUNDED for thing in group):
        return
    supports = PEOPLE_ON if any(thing.noun == "person" for thing in group) else SUPPORTS
    for noun in sorted(supports & others.keys()):
        gaps = _gaps([thing.mask for thing in group], others[noun])
        lower_gaps = _gaps([_lower_half(thing) for thing in group], others[noun])
        found = [
            place
            for place, thing in enumerate(group)
            if lower_gaps[place] <= TOUCH and any(_is_over(thing, other) for other in others[noun])
        ]
        if _is_sole(found, gaps):
            yield group[found[0]], noun


def carried(people: Sequence[Thing], others: Mapping[str, Sequence[Thing]]) -> Iterator[tuple[Thing, str]]:
    """Yield the one person who touches a thing that people hold or wear, with its category's noun."""
    for noun in sorted(CARRIED & others.keys()):
        gaps = _gaps([person.mask for person in people], others[noun])
        found = [
            place
            for place, person in enumerate(people)
            if gaps[place] <= TOUCH and all(other.area < person.area for other in others[noun])
        ]
        if _is_sole(found, gaps):
            yield people[found[0]], noun


def _is_sole(found: Sequence[int], gaps: Sequence[float]) -> bool:
    """Check that there is one, and that the others are far from what it touches."""
    return len(found) == 1 and all(gap >= APART for place, gap in enumerate(gaps) if place != found[0])


def _is_over(thing: Thing, other: Thing) -> bool:
    """Check that the thing ends within the height of the other, with most of its width over it."""
    shared = min(thing.right, other.right) - max(thing.left, other.left)
    return (
        shared >= MIN_OVER * min(thing.width, other.width)
        and other.top - 0.03 <= thing.bottom <= other.bottom + 0.1
        and thing.y < other.y
    )


def _lower_half(thing: Thing) -> Mask:
    mask = thing.mask.copy()
    mask[: round(thing.y * len(mask))] = False
    return mask


def _gaps(masks: Sequence[Mask], others: Sequence[Thing]) -> list[float]:
    """Return each mask's distance to the nearest of the others, as a share of the image's mean side."""
    union = np.logical_or.reduce([other.mask for other in others])
    away = cv2.distanceTransform((~union).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    mean_side = sum(union.shape) / 2
    return [float(away[mask].min()) / mean_side if mask.any() else 1.0 for mask in masks]
