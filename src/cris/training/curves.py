"""Curves as SVG, for pages and files, on a light and on a dark background."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from cris.pages import fill

MOST_POINTS = 300
"""Largest number of points of a curve; more are averaged in groups."""
Points = Sequence[tuple[float, float]]
"""Pairs of step and value, steps rising."""

_WIDTH, _HEIGHT = 460, 250  # user units, as the margins
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 34
_LOG_RANGE = 1e-4
_COLOURS = ("#d6336c", "#1c7ed6", "#e8890c", "#2b8a3e", "#7048e8", "#868e96")


@dataclass(frozen=True, slots=True)
class _Axis:
    """Axis that maps values to positions, linearly or by their logarithm."""

    low: float
    high: float
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return the position of a value: 0 at the low end, 1 at the high end."""
        low, high, value = (math.log(v) if self.is_log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Return about five round values."""
        if self.is_log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        step = _round_step((self.high - self.low) / 5)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]


def draw_curves(title: str, curves: Mapping[str, Points], *, is_log: bool = False) -> str:
    """Return an SVG of named curves over the steps of a run, with a legend of their last values.

    Args:
        title: read out where the drawing cannot be seen.
        curves: name → points; at least one point in all.
        is_log: values by their logarithm, the largest of all down to a 10,000th of it; else from 0 on.
    """
    lowest = _LOG_RANGE * max(value for points in curves.values() for _, value in points) if is_log else 0.0
    drawable = {n: averaged([p for p in points if p[1] >= lowest]) for n, points in curves.items()}
    shown = {name: points for name, points in drawable.items() if points}
    assert shown, title
    steps = _axis([step for points in shown.values() for step, _ in points])
    ends = [] if is_log else [0.0]
    values = _axis([*ends, *(value for points in shown.values() for _, value in points)], is_log=is_log)

    def x(step: float) -> str:
        return f"{_LEFT + steps.share(step) * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def y(value: float) -> str:
        return f"{_HEIGHT - _BOTTOM - values.share(value) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    def told(value: float) -> str:
        return f"{value if is_log else round(value, 4):.4g}"

    return fill(
        "training/curves.svg",
        title=title,
        width=_WIDTH,
        height=_HEIGHT + 20 * len(shown),
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        bottom=_HEIGHT - _BOTTOM,
        legend=_HEIGHT,
        rows=[(y(value), f"{value:g}") for value in values.ticks()],
        columns=[(x(step), f"{step:,}") for step in sorted({round(tick) for tick in steps.ticks()})],
        curves=[
            (name, colour, [(x(step), y(value)) for step, value in points], told(curves[name][-1][1]))
            for (name, points), colour in zip(shown.items(), cycle(_COLOURS), strict=False)
        ],
    )


def averaged(points: Points) -> list[tuple[float, float]]:
    """Return at most MOST_POINTS points, each the mean of as many neighbours; the last one stays as it is."""
    size = -(-len(points) // MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)] if points else []
    means = [(sum(s for s, _ in g) / len(g), sum(v for _, v in g) / len(g)) for g in groups]
    return [*means[:-1], points[-1]] if points else []


def _axis(values: Sequence[float], *, is_log: bool = False) -> _Axis:
    low, high = min(values), max(values)
    if low == high:  # one value alone stands in the middle
        low, high = (
            (low / 2, high * 2) if is_log else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)
        )
    return _Axis(low, high, is_log)


def _round_step(least: float) -> float:
    """Return the smallest number that is at least as large and 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))
