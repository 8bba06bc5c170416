"""The gallery: one HTML file that needs nothing but itself."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool
from PIL import Image

from cris import __version__
from cris.data.scenes import KINDS
from cris.errors import InputError
from cris.evaluation.metrics import intersection_and_union, iou
from cris.evaluation.results import Evaluation
from cris.prediction import Prediction

if TYPE_CHECKING:
    import jinja2

SHARED_RGB, EXTRA_RGB, MISSED_RGB = (56, 201, 140), (240, 84, 84), (84, 140, 255)
"""What is found and true, found but not true, true but not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One picture of the gallery with one sentence and its answer; pictures are data URIs."""

    sentence: str
    kind: str | None
    score: float
    iou: float | None
    """None where the truth is not known."""
    width: int
    """In pixels, as the height."""
    height: int
    picture: str
    found: str
    mask: str
    compare: str | None
    """The mask against the true one."""


def make_card(
    prediction: Prediction, truth: Bool[np.ndarray, "height width"] | None = None, kind: str | None = None
) -> Card:
    """A prediction as the gallery shows it, with its IoU where the true mask is known."""
    height, width = prediction.mask.shape
    mask = Image.fromarray(prediction.mask)
    return Card(
        sentence=prediction.sentence,
        kind=kind,
        score=prediction.score,
        iou=None if truth is None else iou(*intersection_and_union(prediction.mask, truth)),
        width=width,
        height=height,
        picture=_data_uri(Image.fromarray(prediction.picture), "JPEG"),
        found=_data_uri(prediction.overlay(), "JPEG"),
        mask=_data_uri(mask, "PNG"),
        compare=None if truth is None else _data_uri(_comparison(prediction.mask, truth), "PNG"),
    )


def render(
    *,
    model: str,
    evaluation: Evaluation,
    split_size: int,
    scenes: Sequence[Card],
    photograph: Sequence[Card],
    credit: str,
) -> str:
    """The page. Raises InputError when Jinja2, an optional part, is not installed."""
    return (
        environment()
        .from_string(_template())
        .render(
            model=model,
            version=__version__,
            total=evaluation.total,
            kinds={kind: evaluation.kinds[kind] for kind in KINDS if kind in evaluation.kinds},
            split_size=f"{split_size:,}",
            scenes=scenes,
            photograph=photograph,
            credit=credit,
            colours={"shared": SHARED_RGB, "extra": EXTRA_RGB, "missed": MISSED_RGB},
        )
    )


def environment() -> "jinja2.Environment":
    """Jinja2 as the gallery needs it: what users wrote is escaped, and a misspelt name is an error."""
    try:
        import jinja2
    except ImportError as error:
        raise InputError(
            "the gallery needs Jinja2, which is not installed: pip install 'cris[demo]'"
        ) from error
    return jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _template() -> str:
    return (files("cris.demo") / "gallery.html").read_text(encoding="utf-8")


def _comparison(
    found: Bool[np.ndarray, "height width"], true: Bool[np.ndarray, "height width"]
) -> Image.Image:
    colours = np.zeros((*found.shape, 4), dtype=np.uint8)
    for where, colour in (
        (found & true, SHARED_RGB),
        (found & ~true, EXTRA_RGB),
        (true & ~found, MISSED_RGB),
    ):
        colours[where] = (*colour, 235)
    colours[~(found | true)] = (0, 0, 0, 150)
    return Image.fromarray(colours).quantize(8)


def _data_uri(image: Image.Image, format: str) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format, quality=88, optimize=True)
    return f"data:image/{format.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
