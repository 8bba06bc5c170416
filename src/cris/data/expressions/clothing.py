"""Colours of people's clothes."""

from collections.abc import Sequence

import cv2
import numpy as np

from cris.data.expressions.colours import NEAR, Palette, ring
from cris.data.expressions.view import Mask, Thing

UPPER_BODY = (0.2, 0.55)
"""Range of a person's height, as shares, in which clothes are visible: below the head, above the legs."""
HEAD = (0.0, 0.14)
LIKE_SKIN = ("orange", "yellow", "pink")
HEAD_SHARE = 0.35
"""Share of the head from which on a colour like it is taken for skin."""
MIN_PIXELS = 120
"""Least pixels of the upper body for its colour to be named."""
CLEAR_SHARE, OTHER_SHARE, AROUND_SHARE = 0.5, 0.2, 0.5
"""Least share of the colour in the upper body, and largest in another's and around one without a hue."""
NOWHERE_SHARE = 0.02
"""Share of a whole person below which nobody would say that they wear the colour."""
COLOURS = (*NEAR, "grey")
_NEAR = NEAR | {"grey": ("grey", "white", "dark")}


def clothing_colour(palette: Palette, person: Thing, others: Sequence[Thing]) -> str | None:
    """Return the colour that the person wears and none of the others does; None when nothing is clear."""
    body = _upper_body(person)
    if body is None:
        return None
    bodies = [_upper_body(other) for other in others]
    for name in COLOURS:
        near = _NEAR[name]
        if palette.share(body, [name]) < CLEAR_SHARE:
            continue
        if name in LIKE_SKIN and palette.share(_part(person, HEAD), near) > HEAD_SHARE:
            return None
        if name in ("black", "white", "grey") and palette.share(ring(person.mask), near) > AROUND_SHARE:
            return None
        shares = [
            palette.share(other.mask if part is None else part, near)
            for other, part in zip(others, bodies, strict=True)
        ]
        return name if all(share <= OTHER_SHARE for share in shares) else None
    return None


def colours_nobody_wears(palette: Palette, people: Sequence[Thing]) -> list[str]:
    """Return the colours of which none of the people has more than a few pixels."""
    return [
        name
        for name in NEAR
        if name not in ("black", "white")
        and all(palette.share(person.mask, _NEAR[name]) <= NOWHERE_SHARE for person in people)
    ]


def _upper_body(person: Thing) -> Mask | None:
    """Return the part of the mask that clothes cover on an upright person; None when it is too small."""
    height, width = person.mask.shape
    if person.width * width > 1.3 * person.height * height:
        return None
    body = _part(person, UPPER_BODY)
    return body if np.count_nonzero(body) >= MIN_PIXELS else None


def _part(person: Thing, shares: tuple[float, float]) -> Mask:
    """Return the mask between two shares of the person's height, without its rim."""
    top, bottom = (round((person.top + share * person.height) * len(person.mask)) for share in shares)
    part = np.zeros_like(person.mask)
    part[top:bottom] = (
        cv2.erode(person.mask.astype(np.uint8), np.ones((3, 3), dtype=np.uint8))[top:bottom] > 0
    )
    return part
