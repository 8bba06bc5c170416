"""Statistics of a data set."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from cris.data.records import AREA_EDGES, ImageRecord, ObjectRecord
from cris.data.store.manifest import SplitCounts
from cris.letterbox import ceiling
from cris.masks import decode_rle

CEILING_SIZES = (160, 224, 320, 416, 480, 640)
"""Sides of the network's input at which the ceiling is measured, in pixels."""
CEILING_OBJECTS = 300
"""Number of referred objects, evenly spread, that the ceiling averages over: each takes some 20 ms."""
CENTRE_CELLS = 12
MOST_WORDS = 25
"""Length from which on sentences are counted together, and number of words and categories listed."""
MOST_DISTRACTORS = 10
_COLLAGE = re.compile(r"collage-\d{6,}-of-.+")
"""Pattern of the file names that `cris data collages` gives."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Contents of a data set; objects are those that are referred to, each once."""

    splits: dict[str, SplitCounts]
    sentence_words: list[int]
    """Sentences of 0, 1, 2, … words; the last entry counts all longer ones too."""
    mean_words: float
    vocabulary: int
    """Number of distinct words."""
    words: list[tuple[str, int]]
    """Most frequent words, with their counts."""
    categories: list[tuple[str, int]]
    """Most frequent categories, with their numbers of referred objects."""
    different_categories: int
    areas: list[int]
    """Number of objects in each class of AREA_EDGES."""
    median_area: float
    """Median area, as a share of the image."""
    centres: list[list[int]]
    """Centres of boxes on a grid over the image: rows from the top, columns from the left."""
    distractors: list[int]
    """Objects with 0, 1, 2, … others of their category in their image; the last counts all more too."""
    targets: list[tuple[str, int]]
    """Entries that mean none, one, several objects."""
    ceilings: list[tuple[int, float]]
    """Input size → mean IoU that the true masks reach when drawn on the network's grid."""
    ceiling_objects: int
    """Number of objects that the ceilings average over."""
    collages: int = 0
    """Number of images that are collages of others, by their file names."""


def count(images: Iterable[ImageRecord], splits: dict[str, SplitCounts]) -> Statistics:
    """Return the statistics of all images, which are read once; `splits` are the manifest's counts.

    Raises:
        InputError: a mask is damaged.
    """
    words: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    categories: Counter[str] = Counter()
    distractors: Counter[int] = Counter()
    targets: Counter[str] = Counter({"none": 0, "one": 0, "several": 0})
    shares: list[float] = []
    centres = np.zeros((CENTRE_CELLS, CENTRE_CELLS), dtype=np.int64)
    total = sum(each.objects for each in splits.values())
    step = max(1, total // CEILING_OBJECTS)
    ceilings: list[list[float]] = []
    collages = 0
    for record in images:
        collages += _COLLAGE.fullmatch(record.file_name) is not None
        for entry in record.entries:
            targets["several" if len(entry.object_ids) > 1 else "one" if entry.object_ids else "none"] += 1
            for sentence in entry.sentences:
                found = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", sentence.casefold())
                words.update(found)
                lengths[len(found)] += 1
        kinds = Counter(each.category for each in record.objects)
        for each in referred(record):
            if len(shares) % step == 0:
                ceilings.append(_ceilings(each))
            categories[each.category] += 1
            distractors[kinds[each.category] - 1] += 1
            shares.append(_share(each))
            centres[_cell(each, record)] += 1
    sentences = sum(lengths.values())
    return Statistics(
        splits=splits,
        sentence_words=_histogram(lengths, MOST_WORDS),
        mean_words=sum(length * times for length, times in lengths.items()) / max(sentences, 1),
        vocabulary=len(words),
        words=_most(words),
        categories=_most(categories),
        different_categories=len(categories),
        areas=_classes(np.array(shares)).tolist(),
        median_area=float(np.median(shares)) if shares else 0.0,
        centres=centres.tolist(),
        distractors=_histogram(distractors, MOST_DISTRACTORS),
        targets=list(targets.items()),
        ceilings=list(zip(CEILING_SIZES, np.mean(ceilings, axis=0).tolist(), strict=True))
        if ceilings
        else [],
        ceiling_objects=len(ceilings),
        collages=collages,
    )


def referred(record: ImageRecord) -> list[ObjectRecord]:
    """Return the objects that anything refers to, in their order."""
    meant = {object_id for entry in record.entries for object_id in entry.object_ids}
    return [each for each in record.objects if each.id in meant]


def _ceilings(each: ObjectRecord) -> list[float]:
    mask = decode_rle(each.rle)
    return [ceiling(mask, size, "default") for size in CEILING_SIZES]


def _share(each: ObjectRecord) -> float:
    height, width = each.rle["size"]
    return each.area / (height * width)


def _cell(each: ObjectRecord, record: ImageRecord) -> tuple[int, int]:
    left, top, width, height = each.box
    row = CENTRE_CELLS * (top + height / 2) / record.height
    column = CENTRE_CELLS * (left + width / 2) / record.width
    return min(max(int(row), 0), CENTRE_CELLS - 1), min(max(int(column), 0), CENTRE_CELLS - 1)


def _classes(shares: Float64[np.ndarray, "n"]) -> Int64[np.ndarray, "classes"]:
    places = np.digitize(shares, AREA_EDGES[1:-1])
    return np.bincount(places, minlength=len(AREA_EDGES) - 1).astype(np.int64)


def _histogram(counts: Counter[int], most: int) -> list[int]:
    """Return how often 0, 1, … occurred; the last entry counts all from `most` on."""
    longest = min(most, max(counts, default=0))
    return [
        sum(times for number, times in counts.items() if min(number, most) == place)
        for place in range(longest + 1)
    ]


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the most frequent entries; ties are in alphabetical order."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_WORDS]
