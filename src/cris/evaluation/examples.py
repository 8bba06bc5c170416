"""What an evaluation goes through: pictures, each with all its expressions and their masks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from cris.data.scenes import Scenes


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Truth:
    """One expression and the mask it should get."""

    sentence: str
    mask: Bool[np.ndarray, "height width"]
    kind: str
    """What the expression relies on, "ordinal" for example."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Example:
    """One picture with its expressions, so that it is encoded once."""

    name: str
    image: UInt8[np.ndarray, "height width 3"]
    truths: tuple[Truth, ...]


class SceneExamples:
    """The first `limit` scenes of a standard split (all by default), one expression each."""

    def __init__(self, split: str, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1 sample, got {limit}")
        self.scenes = Scenes(split)
        self.limit = limit

    def __len__(self) -> int:
        """Of pictures."""
        return min(self.limit or len(self.scenes), len(self.scenes))

    def __iter__(self) -> Iterator[Example]:
        """Renders one picture after the other."""
        for index in range(len(self)):
            sample = self.scenes[index]
            truth = Truth(sentence=sample.sentence, mask=sample.mask, kind=sample.kind)
            yield Example(name=f"{self.scenes.split}/{index}", image=sample.image, truths=(truth,))
