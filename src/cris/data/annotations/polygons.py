"""COCO's segmentations, whatever their form, as compressed run lengths."""

import math
from typing import Any

from pycocotools import mask as coco

from cris.errors import InputError
from cris.masks import Rle, decode_rle


def segmentation_rle(segmentation: Any, height: int, width: int) -> Rle:
    """The run lengths that pycocotools gives for polygons or run lengths, compressed or not.

    Args:
        segmentation: a list of polygons, each a list of x, y, x, y, … in pixels, which are united;
            or {"size": [height, width], "counts": text, bytes or a list of run lengths}
        height: the picture's, in pixels
        width: the picture's, in pixels

    Raises:
        InputError: it is neither, or of another size than the picture.
    """
    if isinstance(segmentation, dict):
        return _from_runs(segmentation, height, width)
    if not isinstance(segmentation, list) or not segmentation:
        raise InputError("segmentation must be a list of polygons or run lengths, got " + _kind(segmentation))
    for polygon in segmentation:
        _check_polygon(polygon, height, width)
    parts = coco.frPyObjects(segmentation, height, width)
    return _as_rle(coco.merge(parts))


def check_size(segmentation: Any, height: int, width: int) -> None:
    """Raises InputError when run lengths are of another size than the picture; decodes nothing."""
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        if not isinstance(size, list | tuple) or list(size) != [height, width]:
            raise InputError(f"segmentation must have the picture's size [{height}, {width}], got {size!r}")


def rle_area(rle: Rle) -> int:
    """How many pixels are lit."""
    return int(coco.area({"size": rle["size"], "counts": rle["counts"].encode("ascii")}))


def _from_runs(segmentation: dict[str, Any], height: int, width: int) -> Rle:
    check_size(segmentation, height, width)
    counts = segmentation.get("counts")
    if isinstance(counts, list):
        is_whole = all(isinstance(run, int) and not isinstance(run, bool) and run >= 0 for run in counts)
        if not is_whole or sum(counts) != height * width:
            raise InputError(f"segmentation's runs must be whole numbers that add up to {height}×{width}")
        return _as_rle(coco.frPyObjects({"size": [height, width], "counts": counts}, height, width))
    try:
        text = counts.decode("ascii") if isinstance(counts, bytes) else counts
        if not isinstance(text, str):
            raise InputError(f"expected run lengths, got {_kind(counts)}")
        decode_rle({"size": [height, width], "counts": text})
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"segmentation is damaged: {error}") from error
    return Rle(size=[height, width], counts=text)


def _check_polygon(polygon: Any, height: int, width: int) -> None:
    """Keeps from pycocotools what it does not check: it would draw NaN, or edges of any length."""
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise InputError("segmentation's polygons must be lists of three points or more, x, y, x, y, …")
    for coordinates, side in ((polygon[::2], width), (polygon[1::2], height)):
        for number in coordinates:
            if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
                raise InputError("segmentation's polygons must be of finite numbers")
            if not -side <= number <= 2 * side:
                raise InputError(
                    f"segmentation's polygons must lie in the picture of {width}×{height}, got {number}"
                )


def _as_rle(encoded: dict[str, Any]) -> Rle:
    height, width = encoded["size"]
    return Rle(size=[int(height), int(width)], counts=encoded["counts"].decode("ascii"))


def _kind(value: object) -> str:
    return "an empty list" if value == [] else type(value).__name__
