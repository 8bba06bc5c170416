"""Data of an evaluation: images, each with its objects and all that is said of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np
from jaxtyping import Bool, UInt8

from cris.data.scenes import SCENES_VERSION, SceneKnobs, Scenes, SceneSample
from cris.data.scenes.samples import STANDARD
from cris.errors import InputError


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Thing:
    """One annotated object of an image."""

    category: str
    mask: Bool[np.ndarray, "height width"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Truth:
    """One sentence and what it means."""

    sample: int
    """Place in the split, from 0."""
    ref_id: int
    sentence: str
    kind: str
    """Kind of the sentence, by what it relies on, "ordinal" for example."""
    targets: tuple[int, ...]
    """Objects of the image that are meant: none, one or several."""
    visible: float | None = None
    """Visible share of the target, where that is known."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Example:
    """One image with all that is asked of it, so that it is encoded once."""

    name: str
    picture_id: int
    image: UInt8[np.ndarray, "height width 3"]
    objects: tuple[Thing, ...]
    truths: tuple[Truth, ...]

    def mask(self, targets: Sequence[int]) -> Bool[np.ndarray, "height width"]:
        """Return the union of these objects' masks; empty without any."""
        empty = np.zeros(self.image.shape[:2], dtype=bool)
        return reduce(np.logical_or, (self.objects[target].mask for target in targets), empty)

    def category(self, targets: Sequence[int]) -> str | None:
        """Return the category of these objects; None when there is none, or more than one."""
        categories = {self.objects[target].category for target in targets}
        return categories.pop() if len(categories) == 1 else None

    def distractors(self, targets: Sequence[int]) -> int:
        """Return the number of visible objects besides these that have their category."""
        category = self.category(targets)
        return sum(
            thing.category == category and place not in targets and bool(thing.mask.any())
            for place, thing in enumerate(self.objects)
        )


class Examples(Protocol):
    """Images of a split; they can be sent to other processes."""

    split: str

    @property
    def sentences(self) -> int:
        """Return the number of samples: pairs of image and sentence."""
        ...

    @property
    def identity(self) -> object:
        """Return an identity of the samples, in plain JSON: other samples have another."""
        ...

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def __iter__(self) -> Iterator[Example]:
        """Iterate over all images."""
        ...

    def __getitem__(self, place: int) -> Example:
        """Return the image at that place; raise IndexError past the last."""
        ...


class SceneExamples:
    """First `limit` scenes of a split (all by default), one sentence each."""

    def __init__(self, split: str, limit: int | None = None, *, knobs: SceneKnobs = STANDARD) -> None:
        check_limit(limit)
        self.scenes = Scenes(split, knobs=knobs)
        self.split = split
        self.limit = limit

    @property
    def sentences(self) -> int:
        """Return the number of samples, one for each image."""
        return len(self)

    @property
    def identity(self) -> object:
        """Return version, split, knobs and number of the scenes."""
        return ["scenes", SCENES_VERSION, self.split, repr(self.scenes.knobs), len(self)]

    def __len__(self) -> int:
        """Return the number of images."""
        return min(self.limit or len(self.scenes), len(self.scenes))

    def __iter__(self) -> Iterator[Example]:
        """Render one scene after the other."""
        return (self[place] for place in range(len(self)))

    def __getitem__(self, place: int) -> Example:
        """Render a scene."""
        if not 0 <= place < len(self):
            raise IndexError(f"place must be within {len(self)} scenes, got {place}")
        return _example(self.scenes[place], f"{self.split}/{place}", place)


def check_limit(limit: int | None) -> None:
    """Raise InputError for a limit that leaves nothing."""
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 sample, got {limit}")


def _example(sample: SceneSample, name: str, place: int) -> Example:
    truth = Truth(
        sample=place,
        ref_id=place,
        sentence=sample.sentence,
        kind=sample.kind,
        targets=sample.targets,
        visible=sample.visibility if sample.targets else None,
    )
    objects = tuple(Thing(category=each.category, mask=each.mask) for each in sample.objects)
    return Example(name=name, picture_id=place, image=sample.image, objects=objects, truths=(truth,))
