"""Answers of a segmenter to every sentence about some images, and the rows that they make."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from jaxtyping import Bool

from cris.data.dataset import AnnotatedImage, Reference
from cris.evaluation.failures import explain
from cris.evaluation.kinds import count_words, kind_of
from cris.evaluation.metrics import intersection_and_union, iou
from cris.evaluation.rows import Row
from cris.prediction import Prediction
from cris.segmenter import Segmenter

Ambiguity = Callable[[Prediction], float]


class Target:
    """Objects of an image that a sentence means, and the others; masks are decoded when they are read."""

    def __init__(self, image: AnnotatedImage, objects: Sequence[int], segmenter: Segmenter) -> None:
        self.image = image
        self.objects = objects
        self.segmenter = segmenter

    @cached_property
    def mask(self) -> Bool[np.ndarray, "height width"]:
        """Return the mask of everything that is meant; empty when nothing is."""
        return self.image.mask(self.objects)

    @cached_property
    def others(self) -> list[Bool[np.ndarray, "height width"]]:
        """Return the masks of the objects that are not meant."""
        return [each.mask for number, each in enumerate(self.image.objects) if number not in self.objects]

    @cached_property
    def area(self) -> int:
        """Return the number of pixels that are meant."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def category(self) -> str | None:
        """Return the one category of what is meant; None without one."""
        return self.image.category(self.objects)

    @cached_property
    def distractors(self) -> int:
        """Return the number of other objects of that category."""
        return self.image.distractors(self.objects)

    @cached_property
    def ceiling(self) -> float:
        """Return the IoU of the true mask drawn on the segmenter's own grid."""
        return self.segmenter.ceiling(self.mask)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A prediction for one sentence, beside what the sentence means."""

    image: AnnotatedImage
    reference: Reference
    target: Target
    prediction: Prediction

    def row(
        self,
        found: Prediction | None = None,
        *,
        ambiguity: float | None = None,
        keeps_mask: bool = True,
    ) -> Row:
        """Return what an evaluation keeps of the answer.

        Args:
            found: the prediction at another threshold, to measure in its place.
            ambiguity: chance that the sentence fits several things; None leaves it out.
            keeps_mask: whether the row holds the mask found.
        """
        found = found or self.prediction
        target, sentence = self.target, self.reference.sentence
        intersection, union = intersection_and_union(found.mask, target.mask)
        explanation = explain(found.mask, target.mask, target.others)
        height, width = target.mask.shape
        return Row(
            sample=self.reference.sample,
            picture=self.image.name,
            picture_id=self.image.picture_id,
            ref_id=self.reference.ref_id,
            sentence=sentence,
            kind=self.reference.kind or kind_of(sentence),
            category=target.category,
            words=count_words(sentence),
            distractors=target.distractors,
            height=height,
            width=width,
            true_area=target.area,
            predicted_area=int(np.count_nonzero(found.mask)),
            intersection=intersection,
            union=union,
            iou=iou(float(intersection), float(union)),
            score=found.score,
            ambiguity=ambiguity,
            visible=self.reference.visible,
            ceiling=target.ceiling,
            failure=explanation.failure,
            is_no_target=not self.reference.targets,
            best_other_iou=explanation.best_other_iou,
            rle=found.to_rle() if keeps_mask else None,
        )


def ask(segmenter: Segmenter, images: Iterable[AnnotatedImage]) -> Iterator[Answer]:
    """Yield the answer to every sentence about these images, in order; each image is encoded once."""
    remaining = iter(images)
    while batch := list(islice(remaining, segmenter.batch_size)):
        found = segmenter.predict_batch(
            [image.image for image in batch],
            [[reference.sentence for reference in image.references] for image in batch],
        )
        for image, predictions in zip(batch, found, strict=True):
            meant = {reference.targets for reference in image.references}  # by several sentences, often
            targets = {objects: Target(image, objects, segmenter) for objects in meant}
            for reference, prediction in zip(image.references, predictions, strict=True):
                yield Answer(image, reference, targets[reference.targets], prediction)


def measure(
    segmenter: Segmenter, images: Iterable[AnnotatedImage], ambiguity: Ambiguity | None = None
) -> Iterator[Row]:
    """Yield the row of every sentence about these images, in order, as they get done.

    Args:
        segmenter: the model to measure
        images: images with what is asked of them
        ambiguity: value of the rows' ambiguity; left out, they hold None
    """
    for answer in ask(segmenter, images):
        yield answer.row(ambiguity=None if ambiguity is None else ambiguity(answer.prediction))
