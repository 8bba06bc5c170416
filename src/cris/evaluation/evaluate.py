"""Measures a segmenter on examples: one row for each expression, then the figures over all rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from cris.evaluation.examples import Example, Truth
from cris.evaluation.metrics import Summary, intersection_and_union, iou, summarise
from cris.letterbox import ceiling
from cris.prediction import Prediction
from cris.segmenter import Segmenter


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How well one expression was answered."""

    example: str
    """Name of the picture."""
    sentence: str
    kind: str
    score: float
    """The model's own, 0 to 1."""
    intersection: int
    """Of the mask found and the true one, in pixels."""
    union: int
    """In pixels."""
    iou: float
    ceiling: float
    """IoU of the true mask drawn on the model's own grid."""


@dataclass(frozen=True)
class Evaluation:
    """All rows, and what they amount to."""

    rows: Sequence[Row]

    @cached_property
    def total(self) -> Summary:
        """Over all rows."""
        return _summarise(self.rows)

    @cached_property
    def kinds(self) -> dict[str, Summary]:
        """Kind of expression → its figures; sorted by kind."""
        names = sorted({row.kind for row in self.rows})
        return {name: _summarise([row for row in self.rows if row.kind == name]) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the total's figures, and `kinds` with those of each kind."""
        return self.total.to_dict() | {"kinds": {name: one.to_dict() for name, one in self.kinds.items()}}

    def rows_to_dicts(self) -> list[dict[str, Any]]:
        """For JSON lines."""
        return [asdict(row) for row in self.rows]


def evaluate(segmenter: Segmenter, examples: Iterable[Example]) -> Iterator[Row]:
    """The rows of all examples in their order, as they get done; each picture is encoded once."""
    remaining = iter(examples)
    while batch := list(islice(remaining, segmenter.batch_size)):
        found = segmenter.predict_batch(
            [example.image for example in batch],
            [[truth.sentence for truth in example.truths] for example in batch],
        )
        for example, predictions in zip(batch, found, strict=True):
            for truth, prediction in zip(example.truths, predictions, strict=True):
                yield _row(segmenter, example, truth, prediction)


def _row(segmenter: Segmenter, example: Example, truth: Truth, prediction: Prediction) -> Row:
    intersection, union = intersection_and_union(prediction.mask, truth.mask)
    inference = segmenter.inference
    return Row(
        example=example.name,
        sentence=truth.sentence,
        kind=truth.kind,
        score=prediction.score,
        intersection=intersection,
        union=union,
        iou=iou(intersection, union),
        ceiling=ceiling(truth.mask, inference.input_size, inference.protocol, inference.threshold),
    )


def _summarise(rows: Sequence[Row]) -> Summary:
    return summarise(
        intersections=np.array([row.intersection for row in rows], dtype=np.int64),
        unions=np.array([row.union for row in rows], dtype=np.int64),
        scores=np.array([row.score for row in rows], dtype=np.float64),
        ceilings=np.array([row.ceiling for row in rows], dtype=np.float64),
    )
