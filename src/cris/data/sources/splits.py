"""Assignment of images to train, val and test."""

import hashlib
import math
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from cris.errors import InputError

SPLITS = ("train", "val", "test")


def split_images(picture_ids: Iterable[int], shares: Sequence[float], seed: int) -> dict[int, str]:
    """Return the split of every image; each split has its share of them, to the nearest image.

    A split with a share has at least one image where there are enough of them; train comes first, then val.
    The order in which images are assigned depends on their ids and the seed alone.

    Raises:
        InputError: there are not three shares, or they do not add up to 1.
    """
    is_share = all(math.isfinite(share) and 0 <= share <= 1 for share in shares)
    if len(shares) != len(SPLITS) or not is_share or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"shares of {', '.join(SPLITS)} must add up to 1, got {' '.join(map(str, shares))}")
    ids = sorted(picture_ids, key=lambda picture_id: hashlib.sha256(f"{seed} {picture_id}".encode()).digest())
    ends = [*(round(sum(shares[:number]) * len(ids)) for number in range(len(SPLITS))), len(ids)]
    counts = [end - start for start, end in pairwise(ends)]
    for number, share in enumerate(shares):
        if share and not counts[number] and max(counts) > 1:
            counts[counts.index(max(counts))] -= 1
            counts[number] += 1
    splits = [split for split, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    return dict(zip(ids, splits, strict=True))


def empty_splits(splits: Collection[str], shares: Sequence[float]) -> list[str]:
    """Return the splits that have a share of the images, but are not among `splits`."""
    return [split for split, share in zip(SPLITS, shares, strict=True) if share and split not in splits]
