"""Repeat factor sampling: images with rare categories come more often (LVIS, Gupta et al. 2019)."""

import random
from collections import Counter
from collections.abc import Collection, Sequence
from math import sqrt

import numpy as np
from jaxtyping import Int64

from cris.data.store.reading import StoredDataset


def referred_categories(rows: Sequence[tuple[StoredDataset, int]], split: str) -> list[frozenset[str]]:
    """Return the categories that sentences of the split mean in each of these stored images."""
    found: list[frozenset[str]] = []
    for stored, index in rows:
        row = stored.row(index)
        meant = {object_id for entry in row.entries if entry.split == split for object_id in entry.object_ids}
        found.append(frozenset(each.category for each in row.objects if each.id in meant))
    return found


def repeat_factors(categories: Sequence[Collection[str]], threshold: float) -> list[float]:
    """Return sqrt(threshold / share of images) of the rarest category of each image, 1 at least."""
    counts = Counter(category for each in categories for category in set(each))
    limit = threshold * len(categories)
    return [
        max((sqrt(limit / counts[category]) for category in each if counts[category] < limit), default=1.0)
        for each in categories
    ]


def whole_repeats(
    factors: Sequence[float], picture_ids: Sequence[int], seed: int
) -> Int64[np.ndarray, "images"]:
    """Round each factor up as often as its fraction says: by seed and id alone, so alike in every epoch."""
    return np.array(
        [
            int(factor) + (random.Random(f"{seed} {picture_id}").random() < factor % 1)
            for factor, picture_id in zip(factors, picture_ids, strict=True)
        ],
        dtype=np.int64,
    )


def repeats_of(
    rows: Sequence[tuple[StoredDataset, int]], split: str, threshold: float, seed: int
) -> Int64[np.ndarray, "images"]:
    """Return how often each of these stored images of a split occurs in an epoch."""
    picture_ids = [stored.row(index).picture_id for stored, index in rows]
    return whole_repeats(repeat_factors(referred_categories(rows, split), threshold), picture_ids, seed)
