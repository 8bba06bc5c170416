"""Plots of the causes of failure, as SVG: calibration, occlusion, ambiguity."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float64

from cris.plotting import ACCENT, INK, SOFT, STYLE, new_figure, to_svg
from cris.studies.calibration import Reliability
from cris.studies.occluders import Level

_COLOURS = (ACCENT, INK, SOFT)


def draw_calibration(measured: Reliability) -> str:
    """Draw how often masks are good at each score (left), and risk against coverage (right)."""
    with mpl.rc_context(STYLE):
        figure, _ = new_figure()
        figure.clear()
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
        scores = [one.mean_score for one in measured.bins]
        left.plot(scores, [one.good for one in measured.bins], color=ACCENT, linewidth=1)
        sizes = [8 + 120 * one.count / measured.count for one in measured.bins]
        left.scatter(scores, [one.good for one in measured.bins], sizes, color=ACCENT)
        left.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of good masks")
        left.set_title(f"calibration error {measured.ece:.3f}", fontsize=9)
        right.step(
            [0, *(point.coverage for point in measured.risk_coverage)],
            [measured.risk_coverage[0].risk, *(point.risk for point in measured.risk_coverage)],
            color=ACCENT,
        )
        right.set(xlim=(0, 1), ylim=(0, None), xlabel="share answered", ylabel="share of bad masks")
        right.set_title(f"mean {measured.area:.3f}", fontsize=9)
        return to_svg(figure)


def draw_levels(levels: Mapping[str, Sequence[Level]]) -> str:
    """Draw mean IoU over the visible share of the target, a line with intervals for each name."""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure()
        for (name, several), colour in zip(levels.items(), _COLOURS, strict=False):
            middles = [(one.low + one.high) / 2 for one in several]
            means = np.array([one.mean_iou for one in several])
            ends = np.array([one.interval or (one.mean_iou, one.mean_iou) for one in several]).T
            axes.errorbar(
                middles,
                means,
                np.abs(ends - means),
                color=colour,
                marker="o",
                markersize=4,
                linewidth=1.4,
                label=name,
            )
        axes.legend(frameon=False, loc="upper left")
        axes.set(xlim=(0, 1.02), ylim=(0, 1), xlabel="visible share of the target", ylabel="mean IoU")
        return to_svg(figure)


def draw_separation(clear: Float64[np.ndarray, "n"], ambiguous: Float64[np.ndarray, "m"]) -> str:
    """Draw how many sentences of each sort have which ambiguity."""
    with mpl.rc_context(STYLE):
        figure, axes = new_figure()
        limits = np.linspace(0, 1, 21).tolist()
        axes.hist(clear, limits, color=SOFT, alpha=0.85, label="one object fits")
        axes.hist(ambiguous, limits, color=ACCENT, alpha=0.55, label="several objects fit")
        axes.legend(frameon=False)
        axes.set(xlim=(0, 1), xlabel="ambiguity", ylabel="sentences")
        return to_svg(figure)
