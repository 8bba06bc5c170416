"""Outlines of the kinds of object, and the share of each pixel that an outline covers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float

Point = tuple[float, float]
Contour = list[Point]

SUBROWS = 8
"""Scan lines per row of pixels."""
COLUMN_STEPS = 256
"""Steps per pixel to which crossings are rounded, so that all sums are exact integers."""


def _arc(radius: float, first: float, last: float, steps: int, x: float = 0.0, y: float = 0.0) -> Contour:
    """Return points on a circle from angle `first` to `last` (radians, clockwise on screen)."""
    angles = [first + (last - first) * step / steps for step in range(steps + 1)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


def _regular(corners: int, radius: float, turn: float) -> Contour:
    return _arc(radius, turn, turn + math.tau, corners)[:-1]


def _circle() -> list[Contour]:
    return [_regular(48, 0.96, 0.0)]


def _square() -> list[Contour]:
    return [[(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]]


def _triangle() -> list[Contour]:
    return [[(0.0, -0.94), (1.0, 0.84), (-1.0, 0.84)]]


def _star() -> list[Contour]:
    outer, inner = _regular(5, 1.03, -math.pi / 2), _regular(5, 0.45, -math.pi / 2 + math.pi / 5)
    return [[point for pair in zip(outer, inner, strict=True) for point in pair]]


def _ring() -> list[Contour]:
    return [_regular(48, 1.0, 0.0), _regular(48, 0.54, 0.0)[::-1]]


def _cross() -> list[Contour]:
    arm = 0.31
    corners = [(-arm, -1.0), (arm, -1.0), (arm, -arm), (1.0, -arm), (1.0, arm), (arm, arm)]
    return [corners + [(-x, -y) for x, y in corners]]


def _heart() -> list[Contour]:
    points = []
    for step in range(48):
        t = math.tau * step / 48
        across = 16 * math.sin(t) ** 3
        up = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((across / 16.2, -(up + 2.5) / 16.2))
    return [points]


def _diamond() -> list[Contour]:
    return [[(0.0, -1.0), (0.64, 0.0), (0.0, 1.0), (-0.64, 0.0)]]


def _crescent() -> list[Contour]:
    bite, offset = 0.80, 0.52
    across = (1 - bite**2 + offset**2) / (2 * offset)
    outer = math.acos(across)
    inner = math.acos((across - offset) / bite)
    arcs = _arc(1.0, outer, math.tau - outer, 36) + _arc(bite, math.tau - inner, inner, 30, offset)[1:-1]
    return [[(x + 0.2, y) for x, y in arcs]]


def _hexagon() -> list[Contour]:
    return [_regular(6, 1.0, 0.0)]


def _arrow() -> list[Contour]:
    return [
        [(-1.0, -0.25), (0.08, -0.25), (0.08, -0.78), (1.0, 0.0), (0.08, 0.78), (0.08, 0.25), (-1.0, 0.25)]
    ]


def _drop() -> list[Contour]:
    radius, low = 0.66, 0.34
    tangent = math.acos(radius / (1 + low))
    return [[(0.0, -1.0), *_arc(radius, tangent - math.pi / 2, math.pi * 1.5 - tangent, 32, 0.0, low)]]


def _bolt() -> list[Contour]:
    return [[(0.5, -1.0), (0.14, -0.3), (0.78, -0.3), (-0.5, 1.0), (-0.2, 0.22), (-0.8, 0.22), (-0.3, -1.0)]]


def _flower() -> list[Contour]:
    angles = [math.tau * step / 60 for step in range(60)]
    radii = [0.64 + 0.37 * abs(math.sin(2.5 * angle)) for angle in angles]
    return [[(r * math.sin(a), r * math.cos(a)) for r, a in zip(radii, angles, strict=True)]]


OUTLINES: dict[str, Callable[[], list[Contour]]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "heart": _heart,
    "diamond": _diamond,
    "crescent": _crescent,
    "hexagon": _hexagon,
    "arrow": _arrow,
    "drop": _drop,
    "bolt": _bolt,
    "flower": _flower,
}
"""Closed contours in units of half the diameter, y down; holes run the other way round."""

CATEGORIES = tuple(OUTLINES)


@cache
def outline_edges(category: str) -> Float[np.ndarray, "edges 4"]:
    """Return the edges (x, y) → (x, y) of a category's contours, rounded so that every libm agrees."""
    edges = []
    for contour in OUTLINES[category]():
        edges += [(*a, *b) for a, b in zip(contour, contour[1:] + contour[:1], strict=True)]
    return np.round(np.array(edges, dtype=np.float64), 6)


@dataclass(frozen=True, slots=True)
class Patch:
    """A drawn outline: covered share of each pixel in the smallest window that holds it."""

    coverage: Float[np.ndarray, "height width"]
    solid: Bool[np.ndarray, "height width"]
    """Pixels covered by more than half."""
    left: int
    top: int


def draw_outline(category: str, x: float, y: float, diameter: float, angle: float) -> Patch:
    """Draw a category's outline around (x, y), turned by `angle` radians; lengths in pixels."""
    edges = outline_edges(category)
    cos, sin = math.cos(angle) * diameter / 2, math.sin(angle) * diameter / 2
    xs = np.round((edges[:, 0::2] * cos - edges[:, 1::2] * sin + x) * 16) / 16
    ys = np.round((edges[:, 0::2] * sin + edges[:, 1::2] * cos + y) * 16) / 16
    left, top = math.floor(xs.min()), math.floor(ys.min())
    width, height = math.floor(xs.max()) - left + 2, math.floor(ys.max()) - top + 1
    coverage = _covered_share(xs - left, ys - top, height, width)
    rows, columns = np.flatnonzero(coverage.any(1)), np.flatnonzero(coverage.any(0))
    coverage = coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Patch(coverage, coverage > 0.5, left + int(columns[0]), top + int(rows[0]))


def _covered_share(
    xs: Float[np.ndarray, "edges 2"], ys: Float[np.ndarray, "edges 2"], height: int, width: int
) -> Float[np.ndarray, "height width"]:
    """Return the signed area to the right of every edge, summed along rows: exact, whatever the CPU.

    The last column must lie right of all edges.
    """
    first = np.ceil(ys.min(1) * SUBROWS - 0.5).astype(np.int64)
    spans = np.ceil(ys.max(1) * SUBROWS - 0.5).astype(np.int64) - first
    edge = np.repeat(np.arange(len(spans)), spans)
    subrow = np.arange(len(edge)) - np.repeat(np.cumsum(spans) - spans, spans) + first[edge]
    rise = ys[:, 1] - ys[:, 0]
    slope = (xs[:, 1] - xs[:, 0]) / np.where(rise == 0, 1.0, rise)
    crossing = xs[edge, 0] + ((subrow + 0.5) / SUBROWS - ys[edge, 0]) * slope[edge]
    steps = np.floor(crossing * COLUMN_STEPS).astype(np.int64)
    column, part = steps // COLUMN_STEPS, steps % COLUMN_STEPS
    sign = np.where(rise > 0, -1, 1)[edge]
    # rounding may put an edge on the left border a hair beside it. In the first row there is no cell before;
    # in others it touches the last column of the row above by less than a level: left, as scenes never change
    cell = np.maximum((subrow // SUBROWS) * width + column, 0)
    area = np.bincount(cell, sign * (COLUMN_STEPS - part), height * width)
    area += np.bincount(cell + 1, sign * part, height * width)
    covered = np.abs(np.cumsum(area.reshape(height, width), axis=1)) / (SUBROWS * COLUMN_STEPS)
    return covered.astype(np.float32)
