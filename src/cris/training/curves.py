"""Curves of a run as SVG."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from cris.plotting import STYLE, WIDTH, to_svg

MOST_POINTS = 300
"""Largest number of points of a curve; more are averaged in groups."""
Points = Sequence[tuple[float, float]]
"""Pairs of step and value, steps rising."""

_LOG_RANGE = 1e-4
_LINE_INCHES = 0.2
"""Height of a line of the legend."""
_COLOURS = ("#d6336c", "#1c7ed6", "#e8890c", "#2b8a3e", "#7048e8", "#868e96")


def draw_curves(curves: Mapping[str, Points], *, is_log: bool = False) -> str:
    """Return an SVG of named curves over the steps of a run, with a legend of their last values.

    Args:
        curves: name → points; at least one point in all.
        is_log: values by their logarithm, the largest of all down to a 10,000th of it; else from 0 on.
    """
    lowest = _LOG_RANGE * max(value for points in curves.values() for _, value in points) if is_log else 0.0
    with mpl.rc_context(STYLE):
        height, below = (inches + _LINE_INCHES * len(curves) for inches in (2.6, 0.4))
        figure = Figure(figsize=(WIDTH, height))
        # what stands around the axes is known, and to measure it takes longer than to draw
        figure.subplots_adjust(left=0.62 / WIDTH, right=0.98, bottom=below / height, top=1 - 0.1 / height)
        axes = figure.add_subplot()
        for (name, points), colour in zip(curves.items(), cycle(_COLOURS), strict=False):
            drawn = averaged([point for point in points if point[1] >= lowest])
            last = points[-1][1]
            axes.plot(
                [step for step, _ in drawn],
                [value for _, value in drawn],
                color=colour,
                marker="o" if len(drawn) == 1 else None,
                markersize=4,
                label=f"{name}, {last if is_log else round(last, 4):.4g} at the end",
            )
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        if is_log:
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.grid(axis="y", alpha=0.3)
        figure.legend(loc="lower left", frameon=False, labelspacing=0.4, borderaxespad=0)
        return to_svg(figure)


def averaged(points: Points) -> list[tuple[float, float]]:
    """Return at most MOST_POINTS points, each the mean of as many neighbours; the last one stays as it is."""
    size = -(-len(points) // MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)] if points else []
    means = [(sum(s for s, _ in g) / len(g), sum(v for _, v in g) / len(g)) for g in groups]
    return [*means[:-1], points[-1]] if points else []
