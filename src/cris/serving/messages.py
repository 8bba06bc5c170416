"""What the server and its worker process say to each other: pickles behind their lengths, over pipes."""

import pickle
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from cris.letterbox import Letterbox

Extra = Literal["ambiguity", "cutout", "png", "polygons", "timings"]
"""What a result holds on request, beside the contract's fields."""

HEADER = struct.Struct("!Q")
"""Length of the pickle that follows, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One picture and its sentences; without any the picture is only read, and its features kept."""

    picture: bytes
    """As it came: encoded, not yet looked at."""
    digest: bytes
    """Sha256 of the picture, by which its features are kept."""
    sentences: list[str]
    include: frozenset[Extra] = frozenset()
    threshold: float | None = None
    """Probability above which a pixel is found; None: the model's own."""
    min_score: float = 0.0
    """Score below which an answer finds nothing."""
    is_for_drawing: bool = False
    """Whether what is needed to draw at any threshold comes along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What it takes to draw an answer at any threshold, without the model."""

    preview: UInt8[np.ndarray, "height width 3"]
    """The picture in RGB, shrunk where it is larger than a screen."""
    grids: list[Float32[np.ndarray, "cells cells"]]
    """`Prediction.grid` of each sentence."""
    letterbox: Letterbox
    """How the whole picture lies in the grids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found for one `Ask`."""

    width: int
    """Of the picture after its EXIF turn, in pixels, as the height."""
    height: int
    results: list[dict[str, Any]]
    """One for each sentence, ready for JSON."""
    is_cached: bool
    """Whether the picture's features were there already."""
    drawing: Drawing | None = None
    """When asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one `Ask` has no answer."""

    kind: Literal["picture", "sentence", "memory", "bug"]
    detail: str
    """For the client; of a bug its traceback, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """To a list of `Ask`, in its order."""

    answers: list[Answer | Refusal]
    seconds: float
    """That all of them took together."""
    cache_bytes: int
    """Of the features kept now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The worker has its model."""

    sentence_length: int
    """Tokens a sentence, start and end included."""
    input_size: int
    """Side of the model's square input, in pixels."""
    threshold: float
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The worker cannot have its model."""

    detail: str
    missing: str | None = None
    """The package that is not installed, if that is why."""
    is_bug: bool = False
    """Whether `detail` is the traceback of a bug, not a reason that a user can mend."""


def packed(message: object) -> bytes:
    """A message as it goes through a pipe."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(content)) + content


def unpacked(content: bytes) -> Any:
    """A message as it came; only ever from our own process."""
    return pickle.loads(content)
