"""Messages between the server and its worker process: pickles behind their lengths, over pipes."""

import pickle
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from cris.letterbox import Placement

Extra = Literal["ambiguity", "cutout", "png", "polygons", "timings"]
"""Extra field of a result on request, beside the contract's fields."""

HEADER = struct.Struct("!Q")
"""Header with the length of the pickle that follows, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentJob:
    """One image and its sentences; without any the image is only read, and its features kept."""

    image: bytes
    """Image as it came: encoded, not yet looked at."""
    digest: bytes
    """SHA-256 of the image, by which its features are kept."""
    sentences: list[str]
    include: frozenset[Extra] = frozenset()
    threshold: float | None = None
    """Probability above which a pixel is found; None: the model's own."""
    min_score: float = 0.0
    """Score below which an answer finds nothing."""
    is_for_drawing: bool = False
    """True if what is needed to draw at any threshold comes along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Data to draw an answer at any threshold, without the model."""

    preview: UInt8[np.ndarray, "height width 3"]
    """Image in RGB, shrunk where it is larger than a screen."""
    grids: list[Float32[np.ndarray, "rows columns"]]
    """`Prediction.grid` of each sentence."""
    letterbox: Placement
    """Placement of the whole image in the grids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """Result of one `SegmentJob`."""

    width: int
    """Image width in pixels, after EXIF rotation."""
    height: int
    results: list[dict[str, Any]]
    """One result for each sentence, ready for JSON."""
    is_cached: bool
    """True if the image's features were there already."""
    drawing: Drawing | None = None
    """Drawing, when asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Reason for which one `SegmentJob` has no answer."""

    kind: Literal["picture", "sentence", "memory", "bug"]
    detail: str
    """Text for the client; of a bug its traceback, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Reply to a list of `SegmentJob`, in its order."""

    answers: list[SegmentResult | JobError]
    seconds: float
    """Seconds that all of them took together."""
    cache_bytes: int
    """Bytes of the features kept now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Report of a worker that has its model."""

    sentence_length: int
    """Tokens per sentence, start and end included."""
    input_size: int
    """Side of the model's square input, in pixels."""
    threshold: float
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Report of a worker that cannot have its model."""

    detail: str
    missing: str | None = None
    """Package that is not installed, if that is the reason."""
    is_bug: bool = False
    """True if `detail` is the traceback of a bug, not a reason that a user can mend."""


def packed(message: object) -> bytes:
    """Return a message as it goes through a pipe."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(content)) + content


def unpacked(content: bytes) -> Any:
    """Return a message as it came; only ever from our own process."""
    return pickle.loads(content)
