"""Masks as COCO's run lengths, and their boxes."""

from collections.abc import Mapping
from typing import Any, TypedDict

import cv2
import numpy as np
from jaxtyping import Bool, Int64
from pycocotools import mask as coco

from cris.errors import InputError


class Rle(TypedDict):
    """Mask in COCO's run-length encoding."""

    size: list[int]
    """Height and width, in pixels."""
    counts: str
    """Lengths of runs down the columns, unlit first, in COCO's compressed text."""


def encode_rle(mask: Bool[np.ndarray, "height width"]) -> Rle:
    """Return the mask's run lengths, which pycocotools reads too."""
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return Rle(size=[int(side) for side in encoded["size"]], counts=encoded["counts"].decode("ascii"))


def decode_rle(rle: Mapping[str, Any]) -> Bool[np.ndarray, "height width"]:
    """Return the mask of COCO's run lengths, compressed or as a list of numbers.

    Not by pycocotools, which leaves pixels beyond the last run uninitialised.

    Raises:
        InputError: this is no run-length encoding, or its runs do not fill its size.
    """
    try:
        height, width = (int(side) for side in rle["size"])
        counts = rle["counts"]
        if isinstance(counts, str):
            counts = counts.encode("ascii")
        runs = _runs(counts) if isinstance(counts, bytes) else np.array(counts, dtype=np.int64)
        is_possible = (
            min(height, width) > 0 and runs.ndim == 1 and 0 <= runs.min() <= runs.max() <= height * width
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"expected a COCO run-length encoding, got {_shortened(rle)}") from error
    if not is_possible or int(runs.sum()) != height * width:
        raise InputError(f"runs must add up to height × width, got {_shortened(rle)}")
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    columns = np.repeat(values, runs).reshape(width, height)
    return cv2.transpose(columns).view(np.bool_)  # several times as fast as NumPy's


def box_of(mask: Bool[np.ndarray, "height width"]) -> tuple[int, int, int, int] | None:
    """Return left, top, right, bottom of a mask in pixels, the last two excluded; None when it is empty."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def parts_of(
    mask: Bool[np.ndarray, "height width"], min_area: float | int
) -> list[Bool[np.ndarray, "height width"]]:
    """Return the connected parts of a mask, the largest first; pixels that touch at a corner are connected.

    `min_area` is in pixels; below 1 it is a share of the largest part's.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]  # the first is the ground
    least = min_area * areas.max(initial=0) if min_area < 1 else min_area
    order = np.argsort(-areas, kind="stable")
    return [labels == number + 1 for number in order if areas[number] >= least]


def _runs(counts: bytes) -> Int64[np.ndarray, "runs"]:
    """Read COCO's text: groups of 5 bits, low ones first; the fourth run on is less the last but one."""
    groups = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero((groups & 0x20) == 0) + 1
    if not len(groups) or groups.min() < 0 or groups.max() > 63 or not len(ends) or ends[-1] < len(groups):
        raise InputError("not COCO's text")
    lengths = np.diff(ends, prepend=0)
    if lengths.max() > 12:  # 60 bits
        raise InputError("a run is too long")
    starts = ends - lengths
    places = 5 * (np.arange(len(groups)) - np.repeat(starts, lengths))
    runs = np.add.reduceat((groups & 0x1F) << places, starts)
    is_negative = (groups[ends - 1] >> 4) & 1
    runs -= is_negative << (5 * lengths)
    for parity in (1, 2):
        runs[parity::2] = np.cumsum(runs[parity::2])
    return runs


def _shortened(rle: object) -> str:
    text = repr(rle)
    return text if len(text) <= 80 else f"{text[:77]}…"
