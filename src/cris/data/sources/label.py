"""Images with the masks that a model draws for sentences, as a data set to train another model on."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cris.batch.images import find_images
from cris.batch.job import Task, tasks_of
from cris.batch.reading import read_images
from cris.batch.sentences import Sentences
from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.sources.splits import split_images
from cris.data.store.manifest import LeftOut, SourceInfo
from cris.errors import InputError
from cris.image import read_image
from cris.prediction import Prediction
from cris.segmenter import Segmenter

CATEGORY = "object"
"""Category of every object: a sentence names it, no list of categories does."""
_ENTRIES = 10_000
"""Range of ids reserved for each image's objects and entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions:
    """Options that decide which masks of the teacher become labels."""

    min_score: float = 0.5
    """Score that a mask must reach, from 0 to 1."""
    threshold: float | None = None
    """Probability above which a pixel belongs to the mask; None for the teacher's own."""
    no_target: bool = False
    """True to keep sentences for which the teacher finds nothing, as meaning nothing."""
    shares: tuple[float, float, float] = (0.9, 0.1, 0.0)
    """Shares of the images that go to train, val and test."""
    seed: int = 0
    """Seed that decides which image goes to which split."""


class LabelledImages:
    """Images of a source, with what a teacher finds for sentences about them.

    Each image that can be read makes one record, also where no mask is good enough: so a run goes on at the
    image that it was interrupted at, without asking again.
    """

    def __init__(self, source: str, sentences: Sentences, options: LabelOptions = LabelOptions()) -> None:
        """Find the images; raise InputError where there are none, or the sentences are of none of them."""
        if not 0 <= options.min_score <= 1:
            raise InputError(f"min_score must be from 0 to 1, got {options.min_score}")
        self.options = options
        self.tasks = tasks_of(source, find_images(source), sentences)
        most = max(len(task.sentences) for task in self.tasks)
        if most > _ENTRIES:
            raise InputError(f"an image can have at most {_ENTRIES:,} sentences, got {most:,}")
        self.splits = split_images(range(1, len(self.tasks) + 1), options.shares, options.seed)
        self._unreadable: dict[str, str] = {}

    def source(self, teacher: Sequence[object]) -> SourceInfo:
        """Return what decides the records: images, sentences, options, and who the teacher is."""
        asked = [[task.image.id, task.image.version, task.sentences] for task in self.tasks]
        options: dict[str, Any] = {
            "teacher": list(teacher),
            "min_score": self.options.min_score,
            **({} if self.options.threshold is None else {"threshold": self.options.threshold}),
            "no_target": self.options.no_target,
            "split_shares": list(self.options.shares),
            "seed": self.options.seed,
            "asked": hashlib.sha256(json.dumps(asked).encode()).hexdigest(),
        }
        return SourceInfo(kind="label", options=options)

    def records(self, segmenter: Segmenter, start: int = 0) -> Iterator[ImageRecord]:
        """Yield the images with the teacher's masks, less the first that can be read."""
        contents = read_images([task.image for task in self.tasks if task.error is None])
        for number, task in enumerate(self.tasks, start=1):
            content = task.error or next(contents)
            try:
                if isinstance(content, str):
                    raise InputError(content)
                pixels = read_image(content)
            except InputError as error:
                self._unreadable[task.image.id] = str(error)
                continue
            if start:
                start -= 1
                continue
            found = segmenter.predict(pixels, list(task.sentences))
            if (threshold := self.options.threshold) is not None:
                found = [each.at_threshold(threshold) for each in found]
            yield self._record(number, task, content, found)

    @property
    def sentence_count(self) -> int:
        """Return how often a sentence is asked of an image, less those that turned out to be unreadable."""
        return sum(len(task.sentences) for task in self.tasks if task.image.id not in self._unreadable)

    def left_out(self) -> dict[str, LeftOut]:
        """Return which images were left out up to now, as they cannot be read."""
        if not self._unreadable:
            return {}
        first, why = next(iter(self._unreadable.items()))
        return {"images": LeftOut(count=len(self._unreadable), first=f"{first}: {why}")}

    def _record(
        self, number: int, task: Task, content: bytes, predictions: Sequence[Prediction]
    ) -> ImageRecord:
        objects: list[ObjectRecord] = []
        entries: list[ReferringEntry] = []
        scores: list[float] = []
        for place, found in enumerate(predictions):
            is_found = bool(found.mask.any())
            if is_found and found.score >= self.options.min_score:
                objects.append(_object(number * _ENTRIES + place, found))
            elif is_found or not self.options.no_target:
                continue
            entries.append(
                ReferringEntry(
                    ref_id=number * _ENTRIES + place,
                    object_ids=(objects[-1].id,) if is_found else (),
                    sentences=(found.sentence,),
                    split=self.splits[number],
                )
            )
            scores.append(found.score)
        height, width = predictions[0].mask.shape
        return ImageRecord(
            picture_id=number,
            file_name=task.image.name,
            height=height,
            width=width,
            image=content,
            objects=tuple(objects),
            entries=tuple(entries),
            annotated=(),
            scores=tuple(scores),
        )


def teacher_of(folder: Path, model: str) -> list[object]:
    """Return a model's name, and its revision: commits of the hub, or the sha256 of each of its files."""
    from cris.huggingface.descriptor import is_huggingface, read_parts
    from cris.jobs import model_sha256

    if is_huggingface(folder):
        return [model, [part.title for part in read_parts(folder)]]
    return [model, model_sha256(folder)]


def _object(number: int, found: Prediction) -> ObjectRecord:
    assert found.box is not None
    left, top, right, bottom = map(float, found.box)
    return ObjectRecord(
        id=number,
        category=CATEGORY,
        box=(left, top, right - left, bottom - top),
        rle=found.to_rle(),
        area=float(np.count_nonzero(found.mask)),
        is_crowd=False,
    )
