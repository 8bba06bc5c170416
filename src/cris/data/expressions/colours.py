"""Colours of which an object's pixels leave no doubt."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Bool, Int64, UInt8

from cris.data.expressions.view import Mask, Thing

CLEAR_SHARE = 0.6
"""Least share of an object's pixels that have its colour."""
OTHER_SHARE = 0.15
"""Largest share of another object's pixels that have that colour or one near it."""
AROUND_SHARE = 0.3
"""Largest share of that colour in the surroundings: more is the light's colour, or darkness."""
RING = 0.05
"""Width of the ring searched for black and white around an object, as a share of the image's mean side."""
_COLOURLESS = frozenset(
    {
        *("person", "tv", "laptop", "cell phone", "book", "bottle", "wine glass", "cup", "vase", "bowl"),
        *("dining table", "sink", "potted plant"),
    }
)
"""Categories of which clothes, a screen, print, glass or contents are visible, not the thing's own colour."""
NEAR = {
    "red": ("red", "orange", "brown", "pink"),
    "orange": ("red", "orange", "brown", "yellow"),
    "yellow": ("orange", "yellow", "brown"),
    "green": ("green",),
    "blue": ("blue", "purple"),
    "purple": ("blue", "purple", "pink"),
    "pink": ("red", "pink", "purple"),
    "white": ("white", "grey"),
    "black": ("black", "dark"),
}
"""Colour → colours that may be confused with it."""
_HUES = (
    *(("red", 0, 6), ("orange", 9, 19), ("yellow", 23, 33), ("green", 38, 84)),
    *(("blue", 100, 126), ("purple", 131, 147), ("pink", 151, 170), ("red", 173, 179)),
)
"""Name and bounds of OpenCV's hue, which runs from 0 to 179; between them nobody is sure."""
NAMES = (
    *("unclear", "red", "orange", "brown", "yellow", "green", "blue", "purple", "pink"),
    *("white", "grey", "black", "dark"),
)


@dataclass(frozen=True, slots=True)
class Palette:
    """Colour name of every pixel."""

    names: UInt8[np.ndarray, "height width"]
    """Indices into NAMES."""
    _counted: dict[int, tuple[Mask, Int64[np.ndarray, "names"]]] = field(default_factory=dict, repr=False)
    """Identity of a mask → the mask, which stays alive this way, and its number of pixels with each name."""
    _insides: dict[int, tuple[Mask, Mask]] = field(default_factory=dict, repr=False)
    """Identity of a mask → the mask and its inside."""

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "height width 3"]) -> "Palette":
        """Name the colours of an RGB image."""
        hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        names = np.zeros(hue.shape, dtype=np.uint8)
        is_coloured = (saturation >= 110) & (value >= 70)
        for name, first, last in _HUES:
            names[is_coloured & (hue >= first) & (hue <= last)] = NAMES.index(name)
        names[(names == NAMES.index("orange")) & (value < 150)] = NAMES.index("brown")
        names[(saturation < 60) & (value >= 60)] = NAMES.index("grey")
        names[(saturation < 40) & (value >= 180)] = NAMES.index("white")
        names[value < 70] = NAMES.index("dark")
        names[value < 45] = NAMES.index("black")
        return cls(names)

    def share(self, mask: Bool[np.ndarray, "height width"], names: Sequence[str]) -> float:
        """Return the share of the mask's pixels that have one of these colours."""
        if id(mask) not in self._counted:
            self._counted[id(mask)] = mask, np.bincount(self.names[mask], minlength=len(NAMES))
        _, counts = self._counted[id(mask)]
        return float(counts[[NAMES.index(name) for name in names]].sum() / max(1, counts.sum()))

    def inside(self, mask: Mask) -> Mask:
        """Return the mask without its rim, which mixes with its surroundings; all of it if none is left."""
        if id(mask) not in self._insides:
            inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), dtype=np.uint8)).astype(bool)
            self._insides[id(mask)] = mask, inner if inner.any() else mask
        return self._insides[id(mask)][1]


def clear_colour(
    palette: Palette, thing: Thing, others: Sequence[Thing], clear_share: float = CLEAR_SHARE
) -> str | None:
    """Return the colour that is surely the thing's and surely none of the others'; None if there is none."""
    if thing.noun in _COLOURLESS:
        return None
    inside = palette.inside(thing.mask)
    for name, near in NEAR.items():
        if palette.share(inside, [name]) < clear_share:
            continue
        around = ring(thing.mask) if name in ("black", "white") else ~thing.mask
        if palette.share(around, near) > AROUND_SHARE:
            return None
        if all(palette.share(other.mask, near) <= OTHER_SHARE for other in others):
            return name
    return None


def ring(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Return the area right around the mask."""
    reach = max(3, round(RING * sum(mask.shape) / 2))
    wider = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), dtype=np.uint8))
    return np.asarray((wider > 0) & ~mask)
