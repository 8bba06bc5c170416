"""Comparison of two evaluations of the same samples, sample by sample."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cris.errors import InputError
from cris.evaluation.bootstrap import Interval, parts_of, resample, resampled_metrics
from cris.evaluation.metrics import METRICS, Metric, summarise
from cris.evaluation.rows import Row


@dataclass(frozen=True, slots=True)
class Difference:
    """Change of a figure from the first evaluation to the second."""

    metric: Metric
    first: float
    second: float
    interval: Interval | None
    """Interval of second - first, resampled by image; None when there are fewer than two images."""

    @property
    def change(self) -> float:
        """Return the second less the first."""
        return self.second - self.first

    def to_dict(self) -> dict[str, Any]:
        """Return the difference for JSON."""
        interval = None if self.interval is None else self.interval.to_list()
        return {"first": self.first, "second": self.second, "change": self.change, "interval": interval}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two evaluations of the same samples; pairs are in the order of the split."""

    pairs: Sequence[tuple[Row, Row]]
    differences: Sequence[Difference]

    def most_changed(self, count: int) -> list[tuple[Row, Row]]:
        """Return the pairs whose IoU moved most, in either direction."""
        return sorted(self.pairs, key=lambda pair: (-abs(pair[1].iou - pair[0].iou), pair[0].sample))[:count]

    def to_dict(self, most: int) -> dict[str, Any]:
        """Return for JSON the count, the differences, and the samples that changed most."""
        return {
            "count": len(self.pairs),
            "better": sum(second.iou > first.iou for first, second in self.pairs),
            "worse": sum(second.iou < first.iou for first, second in self.pairs),
            "differences": {one.metric.name: one.to_dict() for one in self.differences},
            "most_changed": [_pair(first, second) for first, second in self.most_changed(most)],
        }


def compare(first: Sequence[Row], second: Sequence[Row], metrics: Iterable[Metric] = METRICS) -> Comparison:
    """Compare rows, which must be of the same samples, by the metrics that have an interval.

    Those that mean nothing for these samples are left out, such as N-acc where each has a target.

    Intervals are of the paired difference: both evaluations are resampled alike, so what makes an image
    easy or hard for both cancels out.

    Raises:
        InputError: the samples differ.
    """
    ours = {row.sample: row for row in first}
    theirs = {row.sample: row for row in second}
    pairs = [(ours[sample], theirs[sample]) for sample in sorted(ours.keys() & theirs.keys())]
    is_same = len(pairs) == len(first) == len(second) and all(
        (a.picture_id, a.sentence, a.true_area) == (b.picture_id, b.sentence, b.true_area) for a, b in pairs
    )
    if not is_same:
        raise InputError(
            f"results must be of the same samples to be compared, got {len(first):,} and {len(second):,}, "
            f"of which {len(pairs):,} have the same place: measure both on the same data, split and limit"
        )
    sides = [a for a, _ in pairs], [b for _, b in pairs]
    chosen = [(metric, ratio) for metric, ratio in resampled_metrics(metrics) if metric(first) is not None]
    resamples = resample(
        sides[0], [parts_of(rows, metric, ratio) for rows in sides for metric, ratio in chosen]
    )
    before, after = (summarise(rows, [metric for metric, _ in chosen]) for rows in sides)
    differences = []
    for place, (metric, ratio) in enumerate(chosen):
        interval = None
        if resamples is not None:
            changes = resamples.figure(ratio, len(chosen) + place) - resamples.figure(ratio, place)
            interval = Interval.of(changes)
        values = [summary[metric.name] or 0.0 for summary in (before, after)]
        differences.append(Difference(metric, values[0], values[1], interval))
    return Comparison(pairs, differences)


def _pair(first: Row, second: Row) -> dict[str, Any]:
    return {
        "sample": first.sample,
        "picture": first.picture,
        "sentence": first.sentence,
        "iou": [first.iou, second.iou],
        "score": [first.score, second.score],
        "failure": [first.failure, second.failure],
    }
