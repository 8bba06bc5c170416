"""Evaluation of a segmenter on examples: one row for each sentence, each image encoded once."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from cris.evaluation.examples import Example, Truth
from cris.evaluation.failures import explain
from cris.evaluation.kinds import count_words
from cris.evaluation.metrics import intersection_and_union, iou
from cris.evaluation.rows import Row
from cris.letterbox import ceiling
from cris.prediction import Prediction
from cris.segmenter import Segmenter

Ambiguity = Callable[[Prediction], float]


def evaluate(
    segmenter: Segmenter, examples: Iterable[Example], ambiguity: Ambiguity | None = None
) -> Iterator[Row]:
    """Yield the rows of all examples in their order, as they get done; each image is encoded once.

    Args:
        segmenter: the model to measure
        examples: images with what is asked of them
        ambiguity: value of the rows' ambiguity; left out, they hold None
    """
    remaining = iter(examples)
    while batch := list(islice(remaining, segmenter.batch_size)):
        found = segmenter.predict_batch(
            [example.image for example in batch],
            [[truth.sentence for truth in example.truths] for example in batch],
        )
        for example, predictions in zip(batch, found, strict=True):
            yield from _rows(segmenter, example, predictions, ambiguity)


def _rows(
    segmenter: Segmenter, example: Example, predictions: list[Prediction], ambiguity: Ambiguity | None
) -> Iterator[Row]:
    ceilings: dict[tuple[int, ...], float] = {}  # several sentences often mean the same
    for truth, prediction in zip(example.truths, predictions, strict=True):
        if truth.targets not in ceilings:
            inference = segmenter.inference
            ceilings[truth.targets] = ceiling(
                example.mask(truth.targets), inference.input_size, inference.protocol
            )
        uncertain = None if ambiguity is None else ambiguity(prediction)
        yield _row(example, truth, prediction, ceilings[truth.targets], uncertain)


def _row(
    example: Example, truth: Truth, prediction: Prediction, ceiling: float, ambiguity: float | None
) -> Row:
    true = example.mask(truth.targets)
    intersection, union = intersection_and_union(prediction.mask, true)
    others = [thing.mask for place, thing in enumerate(example.objects) if place not in truth.targets]
    explanation = explain(prediction.mask, true, others)
    height, width = true.shape
    return Row(
        sample=truth.sample,
        picture=example.name,
        picture_id=example.picture_id,
        ref_id=truth.ref_id,
        sentence=truth.sentence,
        kind=truth.kind,
        category=example.category(truth.targets),
        words=count_words(truth.sentence),
        distractors=example.distractors(truth.targets),
        height=height,
        width=width,
        true_area=int(true.sum()),
        predicted_area=int(prediction.mask.sum()),
        intersection=intersection,
        union=union,
        iou=iou(float(intersection), float(union)),
        score=prediction.score,
        ambiguity=ambiguity,
        visible=truth.visible,
        ceiling=ceiling,
        failure=explanation.failure,
        is_no_target=not truth.targets,
        best_other_iou=explanation.best_other_iou,
        rle=prediction.to_rle(),
    )
