"""Choice of the samples that get an image, when a report has too many for all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, get_args

import numpy as np

from cris.evaluation.failures import MEANINGS
from cris.evaluation.metrics import GOOD_IOU
from cris.evaluation.rows import Failure, Row

IMAGES_EACH = 80
"""Most samples of a view that have images."""
Column = Literal["sample", "iou", "score", "ambiguity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """Samples that are worth looking at, in an order."""

    name: str
    meaning: str
    """Meaning in a sentence, for people."""
    sort: Column
    is_descending: bool
    is_in: Callable[[Row], bool]
    filters: dict[str, str]
    """Filters that narrow the page's table to the same samples."""

    def samples(self, rows: Sequence[Row]) -> list[Row]:
        """Return the samples of the view, in its order."""
        inside = sorted(filter(self.is_in, rows), key=lambda row: row.sample)
        if self.sort == "sample":  # spread evenly
            chosen = np.linspace(0, len(inside) - 1, min(IMAGES_EACH, len(inside))).round().astype(int)
            return [inside[place] for place in chosen]
        return sorted(inside, key=self._key, reverse=self.is_descending)

    def _key(self, row: Row) -> float:
        value = getattr(row, self.sort)
        return float("-inf") if value is None else float(value)


def views(rows: Sequence[Row]) -> list[ReportView]:
    """Return the views that these rows have samples for."""
    found = [
        _view("all", "Samples spread evenly over the split.", "sample"),
        _view("worst", "Misses, the lowest IoU first.", "iou", is_in=_is_miss, filters={"failure": "any"}),
        _view("best", "The highest IoU first.", "iou", is_descending=True),
        _view(
            "sure but wrong",
            f"IoU below {GOOD_IOU:g}, the highest score first.",
            "score",
            is_descending=True,
            is_in=_is_miss,
            filters={"failure": "any"},
        ),
        _view(
            "unsure but right",
            f"IoU of {GOOD_IOU:g} or more, the lowest score first.",
            "score",
            is_in=lambda row: row.failure is None,
            filters={"failure": "none"},
        ),
    ]
    if any(row.ambiguity is not None for row in rows):
        found.append(_view("most ambiguous", "The highest ambiguity first.", "ambiguity", is_descending=True))
    found += [
        _view(
            name, MEANINGS[name], "score", is_descending=True, is_in=_fails(name), filters={"failure": name}
        )
        for name in get_args(Failure)
    ]
    return [view for view in found if any(map(view.is_in, rows))]


def illustrated(rows: Sequence[Row]) -> list[Row]:
    """Return the samples that get an image, the first of every view before the second of any."""
    columns = [view.samples(rows)[:IMAGES_EACH] for view in views(rows)]
    mixed = [row for line in zip_longest(*columns) for row in line if row is not None]
    return list({row.sample: row for row in mixed}.values())


def _view(
    name: str,
    meaning: str,
    sort: Column,
    *,
    is_descending: bool = False,
    is_in: Callable[[Row], bool] = lambda row: True,
    filters: dict[str, str] | None = None,
) -> ReportView:
    return ReportView(
        name=name, meaning=meaning, sort=sort, is_descending=is_descending, is_in=is_in, filters=filters or {}
    )


def _is_miss(row: Row) -> bool:
    """Return whether the answer fails; not by its IoU, which is 0 where rightly nothing was found, too."""
    return row.failure is not None


def _fails(name: Failure) -> Callable[[Row], bool]:
    return lambda row: row.failure == name
