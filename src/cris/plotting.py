"""Style of all plots: SVG that can be read on a light and on a dark page."""

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, ACCENT, SOFT = "#7d7a8c", "#d6336c", "#b9b5c6"  # read on white as on black
WIDTH = 4.4
"""Width of a plot, in inches."""
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # names from outside are no formulas
    "svg.hashsalt": "cris",  # the same values give the same file
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""Settings for `matplotlib.rc_context`, around all that makes and draws a figure."""


def new_figure(height: float = 3.0) -> tuple[Figure, Axes]:
    """Return an empty plot of that height in inches; drawn under STYLE."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def to_svg(figure: Figure) -> str:
    """Return the plot as an SVG file without a background, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode("utf-8")


def for_page(svg: str) -> str:
    """Return what of an SVG file belongs into a page: its element, without the lines before it."""
    return svg[svg.index("<svg") :]
