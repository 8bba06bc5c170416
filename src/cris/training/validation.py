"""Validation on samples that are not trained on; each counts once on any number of processes."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from lightning_fabric import Fabric

from cris.data.dataset import AnnotatedImage, Dataset
from cris.data.subset import Subset
from cris.errors import DamagedImageError, InputError
from cris.evaluation.ask import Answer, ask
from cris.evaluation.metrics import Summary
from cris.evaluation.results import Evaluation
from cris.evaluation.rows import Row
from cris.evaluation.threshold import CANDIDATES
from cris.segmenter import Segmenter
from cris.training.config import ValidationConfig
from cris.training.figures import MaskExample
from cris.training.processes import all_gather

SHOWN = 8
"""Number of samples drawn on the sheet of example masks: of different images as far as possible."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Figures of one validation, those of `cris eval` at the threshold."""

    evaluation: Evaluation
    """Rows of all processes, without masks, and what they amount to."""
    threshold: float
    """Threshold with the best mean IoU among the candidates."""
    shown: list[MaskExample]
    """Examples to draw, at the threshold: the first of each image, then others."""
    damaged: tuple[DamagedImageError, ...] = ()
    """Errors of this process's images that cannot be decoded, and are left out of the figures."""

    @property
    def summary(self) -> Summary:
        """Return the figures of all samples."""
        return self.evaluation.total

    @property
    def mean_iou(self) -> float:
        """Return the mean IoU, which chooses the best checkpoint of a run."""
        return self.summary.known("mean_iou")


def validation_samples(dataset: Dataset, config: ValidationConfig) -> Dataset:
    """Return the samples to measure."""
    numbers = np.arange(len(dataset))
    if config.sentences == "first":
        numbers = np.flatnonzero(np.diff(dataset.index.entry, prepend=-1))
    return Subset(dataset, numbers[: config.samples])


def validate(fabric: Fabric, segmenter: Segmenter, dataset: Dataset, config: ValidationConfig) -> Validation:
    """Measure this process's images, and combine the figures of all processes.

    Raises:
        InputError: none of the images can be decoded.
    """
    thresholds = CANDIDATES if config.choose_threshold else (segmenter.inference.threshold,)
    samples = validation_samples(dataset, config)
    numbers = range(fabric.global_rank, samples.image_count, fabric.world_size)
    measured: list[list[Row]] = []
    firsts: list[Answer] = []
    others: list[Answer] = []
    damaged: list[DamagedImageError] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sentences that are cut are part of what is measured
        for answer in ask(segmenter, _decodable(samples, numbers, damaged)):
            found = answer.prediction.at_thresholds(thresholds)
            try:
                measured.append([answer.row(each, keeps_mask=False) for each in found])
            except DamagedImageError as error:  # the mask of something beside the target
                damaged.append(error)
                continue
            kept = firsts if answer.reference is answer.image.references[0] else others
            if len(kept) < SHOWN:
                kept.append(answer)
    together = [rows for part in all_gather(fabric, measured) for rows in part]
    if not together:
        raise InputError(
            f"none of the {samples.image_count:,} images to validate on can be decoded: "
            "cris data check says why"
        )
    together.sort(key=lambda rows: rows[0].sample)
    best = int(np.mean([[row.iou for row in rows] for rows in together], axis=0).argmax())
    threshold = thresholds[best]
    return Validation(
        evaluation=Evaluation([rows[best] for rows in together]),
        threshold=threshold,
        shown=[_shown(answer, threshold) for answer in (firsts + others)[:SHOWN]],
        damaged=tuple(damaged),
    )


def _shown(answer: Answer, threshold: float) -> MaskExample:
    return MaskExample(
        image=answer.image.image,
        sentence=answer.reference.sentence,
        truth=answer.target.mask,
        found={"what is found": answer.prediction.at_threshold(threshold).mask},
    )


def _decodable(
    dataset: Dataset, numbers: Iterable[int], damaged: list[DamagedImageError]
) -> Iterator[AnnotatedImage]:
    """Yield the images of these numbers; errors of those that cannot be decoded are appended to `damaged`."""
    for number in numbers:
        try:
            yield dataset.image(number)
        except DamagedImageError as error:
            damaged.append(error)
