"""Photographs that come with the package, with sentences about them and what these mean."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cris.masks import Rle, decode_rle

FOLDER = Path(str(files("cris.demo"))) / "photographs"
INDEX = "photographs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Sentence about a photograph, and what it means."""

    sentence: str
    """Referring expression."""
    rle: Rle | None
    """Mask in run lengths; None when nothing in the photograph is meant."""

    @property
    def mask(self) -> Bool[np.ndarray, "height width"] | None:
        """Return the annotated mask; None when nothing is meant."""
        return None if self.rle is None else decode_rle(self.rle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """Photograph of COCO 2017 and its origin."""

    id: int
    """Image id in COCO."""
    licence: str
    """Licence of the image."""
    source: str
    """Address of the image, as COCO has it."""
    page: str
    """Address of its page, which names the photographer."""
    asked: tuple[Asked, ...]
    """Sentences about it."""

    @property
    def path(self) -> Path:
        """Return the path of the JPEG file."""
        return FOLDER / f"{self.id:012}.jpg"


@cache
def photographs() -> tuple[Photograph, ...]:
    """Return all of them, by id; `tools/demo_photographs.py` chose them."""
    content = json.loads((FOLDER / INDEX).read_text(encoding="utf-8"))
    return tuple(
        Photograph(**{**each, "asked": tuple(Asked(**one) for one in each["asked"])}) for each in content
    )


def sample_image() -> Path:
    """Return the path of a photograph to try things on: broccoli, on a plate among others.

    It is the first that comes with the package whose first sentence is "the" and a category: "the broccoli".
    """
    return next(
        each.path
        for each in photographs()
        if each.asked[0].sentence.startswith("the ") and len(each.asked[0].sentence.split()) == 2
    )
