"""Pictures dealt to train, val and test."""

import hashlib
import math
from collections.abc import Iterable, Sequence

from cris.errors import InputError

SPLITS = ("train", "val", "test")


def split_pictures(picture_ids: Iterable[int], shares: Sequence[float], seed: int) -> dict[int, str]:
    """The split of every picture; each split has its share of them, to the nearest picture.

    The order in which pictures are dealt depends on their ids and the seed alone.

    Raises:
        InputError: the shares are not three that add up to 1.
    """
    is_share = all(math.isfinite(share) and 0 <= share <= 1 for share in shares)
    if len(shares) != len(SPLITS) or not is_share or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"shares of {', '.join(SPLITS)} must add up to 1, got {' '.join(map(str, shares))}")
    ids = sorted(picture_ids, key=lambda picture_id: hashlib.sha256(f"{seed} {picture_id}".encode()).digest())
    ends = [round(sum(shares[: place + 1]) * len(ids)) for place in range(len(SPLITS))]
    return {
        picture_id: next(split for split, end in zip(SPLITS, ends, strict=True) if place < end)
        for place, picture_id in enumerate(ids)
    }
