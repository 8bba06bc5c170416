"""Plots of a report, as SVG."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np

from cris.evaluation.breakdowns import Group
from cris.evaluation.results import Evaluation
from cris.plotting import ACCENT, INK, SOFT, STYLE, new_figure, to_svg

MOST_GROUPS = 16
_BINS = np.linspace(0, 1, 21).tolist()
TITLES = {
    "kind": "Kind of expression",
    "words": "Words in the sentence",
    "area": "Area of the target, as share of the image",
    "distractors": "Other objects of the same category",
    "category": "Category",
}
"""Grouping → heading."""


def plots(evaluation: Evaluation) -> dict[str, str]:
    """Return name → SVG: the IoUs, precision at every IoU, IoU by score, and a plot for each way to group."""
    with mpl.rc_context(STYLE):
        found = {"iou": _ious(evaluation), "precision": _precision(evaluation), "score": _score(evaluation)}
        return found | {by: _groups(groups) for by, groups in evaluation.breakdowns.items()}


def _ious(evaluation: Evaluation) -> str:
    figure, axes = new_figure()
    axes.hist([row.iou for row in evaluation.rows], _BINS, color=ACCENT, alpha=0.85)
    total = evaluation.total
    for value, name in ((total.known("mean_iou"), "mean"), (total.known("ceiling"), "ceiling")):
        axes.axvline(value, color=INK, linewidth=1, linestyle="--")
        axes.annotate(
            f"{name} {value:.3f}", (value, 1), (3, 0), ("data", "axes fraction"), textcoords="offset points"
        )
    axes.set(xlim=(0, 1), xlabel="IoU", ylabel="samples")
    return to_svg(figure)


def _precision(evaluation: Evaluation) -> str:
    figure, axes = new_figure()
    ious, ceilings = (np.sort([getattr(row, name) for row in evaluation.rows]) for name in ("iou", "ceiling"))
    limits = np.linspace(0, 1, 201)
    for values, colour, name in ((ceilings, SOFT, "ceiling"), (ious, ACCENT, "model")):
        axes.plot(
            limits, 1 - np.searchsorted(values, limits, "right") / len(values), color=colour, label=name
        )
    axes.legend(frameon=False)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="IoU above", ylabel="share of samples")
    return to_svg(figure)


def _score(evaluation: Evaluation) -> str:
    """Draw the mean IoU of tenths of the samples, by score."""
    figure, axes = new_figure()
    ordered = sorted(evaluation.rows, key=lambda row: (row.score, row.sample))
    for part in np.array_split(np.arange(len(ordered)), min(10, len(ordered))):
        rows = [ordered[place] for place in part]
        axes.plot(np.mean([row.score for row in rows]), np.mean([row.iou for row in rows]), "o", color=ACCENT)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean score", ylabel="mean IoU")
    return to_svg(figure)


def _groups(groups: Sequence[Group]) -> str:
    shown = groups[:MOST_GROUPS]
    figure, axes = new_figure(0.7 + 0.27 * len(shown))
    places = np.arange(len(shown))
    means = [group.summary.known("mean_iou") for group in shown]
    axes.barh(places, means, color=ACCENT, height=0.62, alpha=0.85)
    for place, group, mean in zip(places, shown, means, strict=True):
        end = mean
        if group.interval is not None:
            axes.plot([group.interval.low, group.interval.high], [place, place], color=INK, linewidth=1.4)
            end = max(end, group.interval.high)
        label = f"{mean:.3f}  n={group.summary.count:,}"
        axes.annotate(label, (end, place), (4, 0), textcoords="offset points", va="center")
    axes.set(xlim=(0, 1.3), xticks=[0, 0.25, 0.5, 0.75, 1], xlabel="mean IoU")
    axes.set_yticks(places, [group.name for group in shown])
    axes.invert_yaxis()
    return to_svg(figure)
