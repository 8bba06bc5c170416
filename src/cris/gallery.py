"""Gallery: one HTML file that needs nothing but itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from PIL import Image

from cris.data.scenes import KINDS
from cris.demo.photographs import photographs
from cris.demo.scenes import gallery_scenes
from cris.evaluation.metrics import GOOD_IOU, intersection_and_union, iou
from cris.evaluation.results import Evaluation
from cris.pages import data_uri, fill
from cris.prediction import Prediction
from cris.segmenter import Segmenter

SHARED_RGB, EXTRA_RGB, MISSED_RGB = (56, 201, 140), (240, 84, 84), (84, 140, 255)
"""Colours of found and true, found but not true, true but not found."""


ABSENT = "absent"
"""Kind of a sentence that means nothing in its image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryCard:
    """One image of the gallery with one sentence and its answer; images are data URIs."""

    sentence: str
    kind: str | None
    score: float
    iou: float | None
    """IoU; None where nothing is meant."""
    is_empty: bool
    """True if nothing was found."""
    credit: str | None
    """Source of the image; None for a scene."""
    width: int
    """Image width in pixels."""
    height: int
    image: str
    found: str
    mask: str
    compare: str
    """Image of the mask against the true one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFigures:
    """Quality of the answers of some cards."""

    count: int
    """Number of sentences that mean something."""
    mean_iou: float
    good: int
    """Number of these answered with an IoU above 0.5."""
    absent: int
    """Number of sentences that mean nothing."""
    absent_empty: int
    """Number of these whose answers found nothing."""


def make_card(
    prediction: Prediction,
    truth: Bool[np.ndarray, "height width"] | None,
    kind: str | None = None,
    credit: str | None = None,
) -> GalleryCard:
    """Return a prediction as the gallery shows it; without a true mask the sentence means nothing."""
    height, width = prediction.mask.shape
    true = np.zeros_like(prediction.mask) if truth is None else truth
    return GalleryCard(
        sentence=prediction.sentence,
        kind=ABSENT if truth is None else kind,
        score=prediction.score,
        iou=None if truth is None else iou(*intersection_and_union(prediction.mask, truth)),
        is_empty=not prediction.mask.any(),
        credit=credit,
        width=width,
        height=height,
        image=data_uri(Image.fromarray(prediction.image)),
        found=data_uri(prediction.overlay()),
        mask=data_uri(Image.fromarray(prediction.mask), "PNG"),
        compare=data_uri(_comparison(prediction.mask, true), "PNG"),
    )


def photograph_cards(segmenter: Segmenter) -> list[GalleryCard]:
    """Return a card for each sentence about the package's photographs."""
    cards = []
    for photograph in photographs():
        found = segmenter.predict(photograph.path, [asked.sentence for asked in photograph.asked])
        credit = f"{photograph.licence}, {photograph.page.removeprefix('https://www.')}"
        cards += [
            make_card(prediction, asked.mask, credit=credit)
            for asked, prediction in zip(photograph.asked, found, strict=True)
        ]
    return cards


def scene_cards(segmenter: Segmenter) -> list[GalleryCard]:
    """Return a card for each scene of the gallery."""
    return [
        make_card(segmenter.predict(one.image, one.sentence), one.mask, one.kind) for one in gallery_scenes()
    ]


def figures_of(cards: Sequence[GalleryCard]) -> CardFigures:
    """Return how good the answers are; at least one must be about something that is there."""
    ious = [card.iou for card in cards if card.iou is not None]
    absent = [card for card in cards if card.iou is None]
    return CardFigures(
        count=len(ious),
        mean_iou=sum(ious) / len(ious),
        good=sum(each > GOOD_IOU for each in ious),
        absent=len(absent),
        absent_empty=sum(card.is_empty for card in absent),
    )


def render(
    *,
    model: str,
    summary: str,
    photographs: Sequence[GalleryCard],
    scenes_model: str,
    scenes: Sequence[GalleryCard],
    evaluation: Evaluation,
    split_size: int,
) -> str:
    """Return the page.

    Args:
        model: answered the photographs
        summary: a sentence on that model, from its card; may be empty
        photographs: what it found
        scenes_model: answered the scenes
        scenes: what that found
        evaluation: of that, on the first scenes of the test split
        split_size: scenes of the whole split
    """
    return fill(
        "gallery.html",
        model=model,
        summary=summary,
        figures=figures_of(photographs),
        photographs=photographs,
        scenes_model=scenes_model,
        scenes=scenes,
        total=evaluation.total,
        kinds={kind: evaluation.kinds[kind] for kind in KINDS if kind in evaluation.kinds},
        split_size=f"{split_size:,}",
        colours={"shared": SHARED_RGB, "extra": EXTRA_RGB, "missed": MISSED_RGB},
    )


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
