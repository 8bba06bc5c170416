"""Layout of a scene: its objects and their positions."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from cris.data.scenes.draws import Draws
from cris.data.scenes.shapes import CATEGORIES, Patch, draw_outline

REFERENCE_SIDE = 160
"""Side of the grid on which layout and sentences are decided, independently of the image's size."""
LEAST_VISIBLE = 0.35
"""Least visible share of any object in the standard splits."""
TARGET_VISIBLE = 0.6
"""Least visible share of targets, and of the objects they are found by."""

COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black")
SIZES = ("small", "medium", "large")
TEXTURES = ("plain", "striped", "dotted", "checkered")
DIAMETERS = {"small": (22 / 160, 27 / 160), "medium": (34 / 160, 42 / 160), "large": (50 / 160, 62 / 160)}
"""Range of diameters by size, as shares of the image's side; classes lie at least 0.043 apart."""

COUNTS, COUNT_WEIGHTS = tuple(range(2, 11)), (5, 17, 22, 21, 15, 8, 5, 4, 3)
LARGE_WEIGHT = {2: 34, 3: 32, 4: 28, 5: 22, 6: 17, 7: 12, 8: 9, 9: 7, 10: 5}
CATEGORY_POOLS, CATEGORY_POOL_WEIGHTS = (1, 2, 3, 4, 6), (7, 31, 32, 18, 12)
COLOUR_POOLS, COLOUR_POOL_WEIGHTS = (2, 3, 4, 6), (25, 35, 25, 15)
QUARTER_TURNS = {"arrow": 4, "crescent": 4}
"""Kinds that point somewhere, and their number of directions."""
TURN_JITTER = math.radians(13)
EDGE_SHARE = 0.545
"""Least distance of centres from the edges, as a share of the diameter; nearly all outlines then fit."""
PLACING_TRIES = 40


@dataclass(frozen=True, slots=True)
class Item:
    """An object of a layout; lengths are shares of the image's side."""

    category: str
    colour: str
    size: str
    texture: str
    x: float
    y: float
    diameter: float
    angle: float
    """Rotation in radians, clockwise."""
    phase: tuple[float, float]
    """Offset of the texture's start, in periods."""
    is_pale: bool
    """True if the texture's second tone is lighter, False if darker, than the colour."""

    def draw(self, side: int) -> Patch:
        """Draw its outline in an image of `side` pixels."""
        return draw_outline(self.category, self.x * side, self.y * side, self.diameter * side, self.angle)


@dataclass(frozen=True, slots=True)
class SceneLayout:
    """Objects from back to front, with their visible parts on the reference grid."""

    items: tuple[Item, ...]
    patches: tuple[Patch, ...]
    owner: Int[np.ndarray, "160 160"]
    """Index of the visible object at each pixel, -1 for the ground."""
    visibility: tuple[float, ...]


def paste(owner: Int[np.ndarray, "side side"], patch: Patch, index: int) -> None:
    """Let object `index` own the pixels that its patch covers."""
    height, width = patch.solid.shape
    owner[patch.top : patch.top + height, patch.left : patch.left + width][patch.solid] = index


class _Table:
    """Objects placed so far."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.patches: list[Patch] = []
        self.areas: list[int] = []
        self.seen: list[int] = []
        self.owner = np.full((REFERENCE_SIDE, REFERENCE_SIDE), -1, dtype=np.int8)

    def seen_below(self, patch: Patch, left: int, top: int) -> list[int]:
        """Return the pixels that each object would still show below `patch` laid at (left, top)."""
        height, width = patch.solid.shape
        hidden = self.owner[top : top + height, left : left + width][patch.solid]
        lost = np.bincount(hidden + 1, minlength=len(self.items) + 1)[1:]
        return [seen - int(loss) for seen, loss in zip(self.seen, lost, strict=True)]

    def add(self, item: Item, patch: Patch, seen: list[int]) -> None:
        area = int(patch.solid.sum())
        paste(self.owner, patch, len(self.items))
        self.items.append(item)
        self.patches.append(patch)
        self.areas.append(area)
        self.seen = [*seen, area]

    def layout(self) -> SceneLayout:
        shares = tuple(seen / area for seen, area in zip(self.seen, self.areas, strict=True))
        return SceneLayout(tuple(self.items), tuple(self.patches), self.owner, shares)


def make_layout(draws: Draws, occluded: tuple[float, float] | None = None) -> SceneLayout | None:
    """Draw objects and lay them out; return None when too little room was found.

    With `occluded`, a last object covers another so that its visible share falls into that range.
    """
    count = draws.weighted(COUNTS, COUNT_WEIGHTS)
    categories = draws.shuffled(CATEGORIES)[: draws.weighted(CATEGORY_POOLS, CATEGORY_POOL_WEIGHTS)]
    colours = draws.shuffled(COLOURS)[: draws.weighted(COLOUR_POOLS, COLOUR_POOL_WEIGHTS)]
    table = _Table()
    for _ in range(count):
        _place(table, _draw_item(draws, categories, colours, LARGE_WEIGHT[count]), draws)
    if len(table.items) < 2 or (occluded and not _cover_one(table, draws, categories, colours, occluded)):
        return None
    return table.layout()


def _draw_item(draws: Draws, categories: list[str], colours: list[str], large_weight: int) -> Item:
    category = draws.pick(categories)
    size = draws.weighted(SIZES, (30, 35, large_weight))
    turn = draws.below(QUARTER_TURNS.get(category, 1)) * math.pi / 2
    return Item(
        category=category,
        colour=draws.pick(colours),
        size=size,
        texture=draws.weighted(TEXTURES, (40, 22, 20, 18)),
        x=draws.between(0.0, 1.0) / REFERENCE_SIDE,
        y=draws.between(0.0, 1.0) / REFERENCE_SIDE,
        diameter=draws.between(*DIAMETERS[size]),
        angle=turn + draws.between(-TURN_JITTER, TURN_JITTER),
        phase=(draws.between(0.0, 1.0), draws.between(0.0, 1.0)),
        is_pale=draws.chance(0.6),
    )


def _place(table: _Table, item: Item, draws: Draws) -> None:
    """Lay the object where it hides little; leave it out when there is no such place."""
    patch = item.draw(REFERENCE_SIDE)
    leans_on = draws.pick(table.items) if table.items and draws.chance(0.35) else None
    reach = item.diameter * EDGE_SHARE
    for attempt in range(PLACING_TRIES):
        if leans_on is not None and attempt < PLACING_TRIES // 2:
            spread, away = 0.26, (item.diameter + leans_on.diameter) / 2
            x, y = leans_on.x + draws.between(-away, away), leans_on.y + draws.between(-away, away)
        else:
            spread = 0.46
            x, y = draws.between(reach, 1 - reach), draws.between(reach, 1 - reach)
        right, down = math.floor(x * REFERENCE_SIDE), math.floor(y * REFERENCE_SIDE)
        moved = _moved(item, patch, right, down)
        if moved is None:
            continue
        placed, laid = moved
        if any(
            _is_within(placed, other, spread * (placed.diameter + other.diameter)) for other in table.items
        ):
            continue
        seen = table.seen_below(laid, laid.left, laid.top)
        if all(left >= LEAST_VISIBLE * area for left, area in zip(seen, table.areas, strict=True)):
            table.add(placed, laid, seen)
            return


def _cover_one(
    table: _Table, draws: Draws, categories: list[str], colours: list[str], share: tuple[float, float]
) -> bool:
    """Lay one more object over a fully visible one so that it shows a share within the range."""
    for _ in range(PLACING_TRIES):
        cover = _draw_item(draws, categories, colours, 33)
        below = draws.below(len(table.items))
        victim = table.items[below]
        patch = cover.draw(REFERENCE_SIDE)
        reach = (victim.diameter + cover.diameter) / 2
        for _ in range(6):
            right = math.floor((victim.x + draws.between(-reach, reach)) * REFERENCE_SIDE)
            down = math.floor((victim.y + draws.between(-reach, reach)) * REFERENCE_SIDE)
            moved = _moved(cover, patch, right, down)
            if moved is None:
                continue
            placed, laid = moved
            seen = table.seen_below(laid, laid.left, laid.top)
            shares = [left / area for left, area in zip(seen, table.areas, strict=True)]
            in_range = share[0] <= shares[below] <= share[1]
            if in_range and all(s >= min(share[0], LEAST_VISIBLE) for s in shares):
                table.add(placed, laid, seen)
                return True
    return False


def _is_within(item: Item, other: Item, distance: float) -> bool:
    return (item.x - other.x) ** 2 + (item.y - other.y) ** 2 < distance**2


def _moved(item: Item, patch: Patch, right: int, down: int) -> tuple[Item, Patch] | None:
    """Return the object and its patch moved by whole reference pixels; None when that leaves the image."""
    left, top = patch.left + right, patch.top + down
    height, width = patch.solid.shape
    if left < 1 or top < 1 or left + width >= REFERENCE_SIDE or top + height >= REFERENCE_SIDE:
        return None
    placed = replace(item, x=item.x + right / REFERENCE_SIDE, y=item.y + down / REFERENCE_SIDE)
    return placed, Patch(patch.coverage, patch.solid, left, top)
