"""Page on which a person goes through suspects with the keyboard; one file, without a network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from PIL import Image

from cris.data.dataset import AnnotatedImage, Dataset
from cris.masks import decode_rle
from cris.pages import data_uri, fill
from cris.prediction import highlight
from cris.studies.label_errors import Suspect

_SIDE = 360
"""Longer side of an image on the page, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectCard:
    """Suspect as the page shows it; images are data URIs."""

    suspect: Suspect
    annotated: str
    annotated_name: str
    """Categories of the annotated objects."""
    preferred: str
    preferred_name: str


def make_cards(suspects: Sequence[Suspect], dataset: Dataset) -> list[SuspectCard]:
    """Read the images once more, and draw both readings of each sentence."""
    numbers = dataset.index.image
    return [_card(suspect, dataset.image(int(numbers[suspect.sample]))) for suspect in suspects]


def render(
    cards: Sequence[SuspectCard], *, data: str, split: str, model: str, count: int, fingerprint: str
) -> str:
    """Return the page; what the data set says of itself is escaped."""
    return fill(
        "studies/audit.html",
        cards=cards,
        data=data,
        split=split,
        model=model,
        count=f"{count:,}",
        fingerprint=fingerprint,
    )


def _card(suspect: Suspect, image: AnnotatedImage) -> SuspectCard:
    annotated = image.mask(suspect.annotated)
    if suspect.preferred is None:
        preferred = decode_rle(suspect.rle)
        name = "what is not annotated" if suspect.prefers == "elsewhere" else "no other object"
    else:
        preferred = image.mask([suspect.preferred])
        name = image.objects[suspect.preferred].category
    names = sorted({image.objects[number].category for number in suspect.annotated})
    return SuspectCard(
        suspect=suspect,
        annotated=_drawn(image, annotated),
        annotated_name=", ".join(names) or "nothing",
        preferred=_drawn(image, preferred),
        preferred_name=name,
    )


def _drawn(image: AnnotatedImage, mask: Bool[np.ndarray, "height width"]) -> str:
    drawn = highlight(np.ascontiguousarray(image.image), mask)
    drawn.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    return data_uri(drawn)
