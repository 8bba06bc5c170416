"""HTML page of a data set's statistics: one self-contained file."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cris.data.inspection.stats import CENTRE_CELLS, MOST_DISTRACTORS, MOST_WORDS, Statistics
from cris.data.records import AREA_EDGES
from cris.data.store.reading import StoredDataset
from cris.image import read_image
from cris.masks import decode_rle
from cris.pages import data_uri, fill
from cris.prediction import highlight

_SHOWN_SIDE = 360  # pixels; of the longer side of an image on the sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCard:
    """A sample on the contact sheet."""

    sentence: str
    split: str
    name: str
    targets: int
    """Number of target objects."""
    width: int
    """Image width in pixels."""
    height: int
    image: str
    """Image with its mask highlighted, as a data URI."""


def contact_sheet(dataset: StoredDataset, count: int) -> list[SampleCard]:
    """Return samples spread evenly over the data set.

    Raises:
        InputError: an image or a mask is damaged.
    """
    samples = dataset.samples()
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    return [
        _card(dataset, int(samples.image[place]), int(samples.entry[place]), int(samples.sentence[place]))
        for place in chosen
    ]


def render(title: str, statistics: Statistics, cards: Sequence[SampleCard]) -> str:
    """Return the page."""
    edges = [f"{100 * edge:g}" for edge in AREA_EDGES]
    areas = [f"{low}–{high} %" for low, high in pairwise(edges)]
    return fill(
        "data/inspection/stats.html",
        title=title,
        it=statistics,
        cards=cards,
        areas=list(zip(areas, statistics.areas, strict=True)),
        lengths=_named(statistics.sentence_words, MOST_WORDS),
        distractors=_named(statistics.distractors, MOST_DISTRACTORS),
        most_central=max(map(max, statistics.centres)),
        cells=CENTRE_CELLS,
    )


def _named(counts: Sequence[int], most: int) -> list[tuple[str, int]]:
    """Return the counts with their labels."""
    return [(f"{place}" if place < most else f"{most} +", times) for place, times in enumerate(counts)]


def _card(dataset: StoredDataset, image: int, entry: int, sentence: int) -> SampleCard:
    record = dataset.image(image)
    meant = record.entries[entry]
    mask = np.zeros((record.height, record.width), dtype=bool)
    for each in record.objects:
        if each.id in meant.object_ids:
            mask |= decode_rle(each.rle)
    drawn = highlight(read_image(record.image), mask)
    drawn.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    return SampleCard(
        sentence=meant.sentences[sentence],
        split=meant.split,
        name=record.file_name,
        targets=len(meant.object_ids),
        width=drawn.width,
        height=drawn.height,
        image=data_uri(drawn),
    )
