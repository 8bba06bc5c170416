"""Table of metrics: what each reads of a row, how rows make one figure, and how it is shown."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float64

from cris.card import CardResult
from cris.errors import InputError
from cris.evaluation.rows import Row

GOOD_IOU = 0.5
"""IoU above which a mask is good: what the score is asked to tell."""
_EPSILON = 1e-6  # in pixels; the released code's
Pixels = TypeVar("Pixels", float, np.ndarray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Sum of numerators over sum of denominators: a mean, a share, or an overall IoU.

    Sums are rounded once, so that neither the order of rows nor the number of processes changes a bit.
    """

    parts: Callable[[Any], tuple[float, float]]
    """Function from a row's figure to its numerator and denominator; (0, 0) leaves the row out."""
    epsilon: float = 0.0
    """Term added to the summed denominators."""
    if_nothing: float | None = None
    """Figure where the denominators add up to 0."""

    def __call__(self, figures: Iterable[Any]) -> float | None:
        """Return the figure of some rows."""
        parts = [self.parts(figure) for figure in figures]
        below = math.fsum(denominator for _, denominator in parts) + self.epsilon
        return math.fsum(numerator for numerator, _ in parts) / below if below else self.if_nothing

    def of_sums(
        self, numerators: Float64[np.ndarray, "resamples"], denominators: Float64[np.ndarray, "resamples"]
    ) -> Float64[np.ndarray, "resamples"]:
        """Return the figure of each resample; NaN where it means nothing."""
        below = denominators + self.epsilon
        nothing = math.nan if self.if_nothing is None else self.if_nothing
        return np.where(below == 0, nothing, numerators / np.where(below == 0, 1, below))


Aggregate = Ratio | Callable[[Sequence[Any]], float | None]
"""Function from rows' figures to one, None where it means nothing; only a `Ratio` can have an interval."""


def mean() -> Ratio:
    """Return the mean over rows; those whose figure is None are left out."""
    return Ratio(parts=lambda value: (0.0, 0.0) if value is None else (value, 1.0))


def share_above(limit: float) -> Ratio:
    """Return the share of rows whose figure is strictly above a limit."""
    return Ratio(parts=lambda value: (float(value > limit), 1.0))


def ratio_of_sums(*, epsilon: float = 0.0, if_nothing: float | None = None) -> Ratio:
    """Return the quotient of two sums; a row's figure is its share of both."""
    return Ratio(parts=lambda pair: pair, epsilon=epsilon, if_nothing=if_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Metric of an evaluation; all that shows figures reads it from here.

    ```python
    long = Metric(
        name="long_iou",
        title="IoU of long",
        meaning="Mean IoU over sentences of six words or more.",
        figure=lambda row: row.iou if row.words >= 6 else None,
        aggregate=mean(),
    )
    Evaluation(rows, [*METRICS, long])
    ```
    """

    name: str
    """Name in JSON and for `cris table --figure`."""
    title: str
    """Title in tables and pages."""
    meaning: str
    """Meaning in a short sentence, for people."""
    figure: Callable[[Any], Any]
    """Function from a `Row` to its part."""
    aggregate: Aggregate
    has_interval: bool = True
    """True if an evaluation reports a `Ratio`'s interval, and a comparison its difference."""
    is_headline: bool = True
    """True if tables and pages show it unasked."""
    is_no_target: bool = False
    """True if it is shown only where some sentences mean nothing in their image."""
    is_share: bool = True
    """True if it is a share of 1, which tables beside the paper give in percent."""
    digits: int = 3
    """Number of digits shown after the point."""

    def __call__(self, rows: Iterable[Row]) -> float | None:
        """Return the figure of some rows; None where it means nothing."""
        return self.aggregate([self.figure(row) for row in rows])

    def text(self, value: float | None, *, sign: str = "", digits: int | None = None) -> str:
        """Return a value as people read it, "–" for None; `sign` "+" shows that of positive ones too."""
        return "–" if value is None else f"{value:{sign}.{self.digits if digits is None else digits}f}"


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of some samples: `summary["mean_iou"]`."""

    count: int
    """Number of samples: pairs of image and sentence."""
    figures: Mapping[str, float | None]
    """Name of each metric → figure; None where it means nothing."""

    def __getitem__(self, name: str) -> float | None:
        """Return the figure of the metric of that name."""
        return self.figures[name]

    def known(self, name: str) -> float:
        """Return the figure of a metric that means something for any samples."""
        value = self.figures[name]
        assert value is not None, name
        return value

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the count and the figures, for JSON."""
        return {"count": self.count, **self.figures}


def intersection_and_union(
    predicted: Bool[np.ndarray, "height width"], true: Bool[np.ndarray, "height width"]
) -> tuple[int, int]:
    """Return both in pixels."""
    return int(np.count_nonzero(predicted & true)), int(np.count_nonzero(predicted | true))


def iou(intersection: Pixels, union: Pixels) -> Pixels:
    """Return the IoU of one sample, or of each, as released: intersection / (union + 1e-6).

    So a perfect mask falls short of 1 by 1e-6 / union, and two empty masks get 0.
    """
    return intersection / (union + _EPSILON)


def generalised_iou(row: Row) -> float:
    """Return what gIoU is the mean of: without the 1e-6, and 1 where rightly nothing is found."""
    if row.is_no_target:
        return float(row.predicted_area == 0)
    return row.intersection / max(row.union, 1)


def auroc(scores: Float64[np.ndarray, "n"], is_good: Bool[np.ndarray, "n"]) -> float | None:
    """Return the chance that a good sample outscores a bad one, ties counting half; None without one of each.

    From ranks (Mann and Whitney's U), so n samples take O(n log n).
    """
    good = int(np.count_nonzero(is_good))
    bad = len(is_good) - good
    if not good or not bad:
        return None
    _, place, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(times) - (times - 1) / 2  # from 1; equal scores share the mean of their ranks
    return float((ranks[place][is_good].sum() - good * (good + 1) / 2) / (good * bad))


def _score_auroc(pairs: Sequence[tuple[float, bool]]) -> float | None:
    scores, is_good = zip(*pairs, strict=True)
    return auroc(np.array(scores), np.array(is_good))


def _pixels(row: Row) -> tuple[float, float]:
    return row.intersection, row.union


def _iou(row: Row) -> float:
    return row.iou


METRICS: tuple[Metric, ...] = (
    Metric(
        name="mean_iou",
        title="mean IoU",
        meaning="Over sentences; the “IoU” of the paper.",
        figure=_iou,
        aggregate=mean(),
    ),
    Metric(
        name="overall_iou",
        title="overall IoU",
        meaning="Summed intersections over summed unions.",
        figure=_pixels,
        aggregate=ratio_of_sums(epsilon=_EPSILON),
    ),
    *(
        Metric(
            name=f"pr{percent}",
            title=f"Pr@{percent}",
            meaning=f"Share with an IoU above {percent / 100:g}.",
            figure=_iou,
            aggregate=share_above(percent / 100),
            is_headline=percent in (50, 70, 90),
        )
        for percent in (50, 60, 70, 80, 90)
    ),
    Metric(
        name="giou",
        title="gIoU",
        meaning="Mean IoU; rightly nothing counts 1.",
        figure=generalised_iou,
        aggregate=mean(),
        is_no_target=True,
    ),
    Metric(
        name="ciou",
        title="cIoU",
        meaning="Overall IoU, as gRefCOCO has it.",
        figure=_pixels,
        aggregate=ratio_of_sums(if_nothing=0.0),
        is_no_target=True,
    ),
    Metric(
        name="n_acc",
        title="N-acc",
        meaning="Nothing is meant: share left empty.",
        figure=lambda row: float(row.predicted_area == 0) if row.is_no_target else None,
        aggregate=mean(),
        is_no_target=True,
    ),
    Metric(
        name="t_acc",
        title="T-acc",
        meaning="Something is meant: share not left empty.",
        figure=lambda row: None if row.is_no_target else float(row.predicted_area > 0),
        aggregate=mean(),
        is_no_target=True,
    ),
    Metric(
        name="ceiling",
        title="ceiling",
        meaning="Mean IoU of the true masks on the model’s grid.",
        figure=lambda row: row.ceiling,
        aggregate=mean(),
        has_interval=False,
    ),
    Metric(
        name="score_auroc",
        title="score AUROC",
        meaning="Chance that a good mask outscores a bad one.",
        figure=lambda row: (row.score, row.iou > GOOD_IOU),
        aggregate=_score_auroc,
    ),
)
"""All metrics, in the order in which they are shown.

gIoU, cIoU, N-acc and T-acc are those of the evaluation published with GRES (CVPR 2023), an empty mask
meaning that nothing is found.
"""


def summarise(rows: Sequence[Row], metrics: Iterable[Metric] = METRICS) -> Summary:
    """Return the figures of some rows, to the last bit the same in whatever order.

    Raises:
        InputError: there is no row, or two metrics have one name.
    """
    if not rows:
        raise InputError("there is nothing to summarise: expected one sample or more, got none")
    figures: dict[str, float | None] = {}
    for metric in metrics:
        if metric.name in figures:
            raise InputError(f"metrics must differ in their names, got {metric.name!r} twice: rename one")
        figures[metric.name] = metric(rows)
    return Summary(len(rows), figures)


def headlines(figures: Mapping[str, float | None], metrics: Iterable[Metric] = METRICS) -> list[Metric]:
    """Return the metrics among these figures that are shown unasked, in their order."""
    has_no_target = figures.get("n_acc") is not None
    return [
        metric
        for metric in metrics
        if metric.is_headline and metric.name in figures and (has_no_target or not metric.is_no_target)
    ]


def card_result(data: str, split: str, figures: Mapping[str, float | None]) -> CardResult:
    """Return figures as a model's card has them: those shown unasked, without the grid's ceiling.

    A data set of a folder goes by the folder's name, as cards are published.
    """
    told = [(metric, figures[metric.name]) for metric in headlines(figures) if metric.name != "ceiling"]
    return CardResult(
        data=" and ".join(Path(each).name for each in data.split(" and ")),
        split=split,
        figures={each.name: (each.title, round(value, 4)) for each, value in told if value is not None},
    )


def metric_named(name: str, metrics: Sequence[Metric] = METRICS) -> Metric:
    """Return the metric of that name; raises InputError when there is none."""
    found = {metric.name: metric for metric in metrics}
    if name not in found:
        raise InputError(f"a figure must be one of {', '.join(found)}, got {name!r}")
    return found[name]
