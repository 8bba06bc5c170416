"""COCO's segmentations, in any of their forms, as compressed run lengths."""

from typing import Any

from pycocotools import mask as coco

from cris.data.annotations.fields import is_finite, shortened
from cris.errors import InputError
from cris.masks import Rle, decode_rle

_FEWEST_NUMBERS = 6
"""Least number of coordinates of a polygon: three points."""
_ROUNDING = 0.01
"""Tolerance by which shares of the image's sides may lie outside 0 to 1."""


def segmentation_rle(segmentation: Any, height: int, width: int) -> Rle:
    """Return the run lengths that pycocotools gives for polygons or run lengths, compressed or not.

    Args:
        segmentation: a list of polygons, each a list of x, y, x, y, … in pixels, which are united, or one
            such polygon; polygons of fewer than three points, as a stray click leaves them, are ignored
            where there are others; or {"size": [height, width], "counts": text, bytes or run lengths}
        height: height of the image, in pixels
        width: width of the image, in pixels

    Raises:
        InputError: it is neither, or of another size than the image.
    """
    if isinstance(segmentation, dict):
        return _from_runs(segmentation, height, width)
    if not isinstance(segmentation, list) or not segmentation:
        raise InputError("segmentation must be a list of polygons or run lengths, got " + _kind(segmentation))
    polygons = _without_stray(segmentation)
    for polygon in polygons:
        _check_polygon(polygon, height, width)
    parts = coco.frPyObjects(polygons, height, width)
    return _as_rle(coco.merge(parts))


def stray_polygons(segmentation: Any) -> list[int]:
    """Return the indices of polygons that are ignored because they have fewer than three points."""
    if not isinstance(segmentation, list) or _without_stray(segmentation) == segmentation:
        return []
    return [place for place, polygon in enumerate(_polygons(segmentation)) if _is_stray(polygon)]


def check_in_image(segmentation: Any, height: int, width: int) -> None:
    """Check that drawable polygons lie in the image, at least in part, and are in pixels.

    Raises:
        InputError: all lie outside the image, or have coordinates from 0 to 1.
    """
    if not isinstance(segmentation, list):
        return
    polygons = _without_stray(segmentation)
    x = [number for polygon in polygons for number in polygon[::2]]
    y = [number for polygon in polygons for number in polygon[1::2]]
    if min(*x, *y) >= -_ROUNDING and max(*x, *y) <= 1 + _ROUNDING < max(height, width):
        raise InputError(
            "segmentation's polygons must be in pixels, got coordinates from 0 to 1: multiply them by the "
            f"image's width, {width}, and height, {height}"
        )
    if min(x) >= width or min(y) >= height or max(x) <= 0 or max(y) <= 0:
        raise InputError(
            f"segmentation's polygons must lie in the image of {width}×{height}, got {min(x):g} to "
            f"{max(x):g} across and {min(y):g} to {max(y):g} down"
        )


def check_size(segmentation: Any, height: int, width: int) -> None:
    """Raise InputError when run lengths are of another size than the image; decodes nothing."""
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        if not isinstance(size, list | tuple) or list(size) != [height, width]:
            raise InputError(f"segmentation must have the image's size [{height}, {width}], got {size!r}")


def rle_area(rle: Rle) -> int:
    """Return the number of pixels set."""
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


def _polygons(segmentation: list[Any]) -> list[Any]:
    """Return the list of polygons; bare numbers are one polygon, which some tools do not put in a list."""
    is_flat = all(isinstance(number, int | float) for number in segmentation)
    return [segmentation] if segmentation and is_flat else segmentation


def _without_stray(segmentation: list[Any]) -> list[Any]:
    polygons = _polygons(segmentation)
    return [polygon for polygon in polygons if not _is_stray(polygon)] or polygons


def _is_stray(polygon: Any) -> bool:
    """Check whether it is a click or two: whole points, but too few to be a polygon."""
    return isinstance(polygon, list) and len(polygon) < _FEWEST_NUMBERS and len(polygon) % 2 == 0


def _check_polygon(polygon: Any, height: int, width: int) -> None:
    """Check what pycocotools does not: it would draw NaN, or edges of any length."""
    if not isinstance(polygon, list) or len(polygon) < _FEWEST_NUMBERS or len(polygon) % 2:
        raise InputError(
            "segmentation's polygons must be lists of three points or more, x, y, x, y, …, "
            f"got {shortened(polygon)}"
        )
    for coordinates, side in ((polygon[::2], width), (polygon[1::2], height)):
        for number in coordinates:
            if not isinstance(number, int | float) or isinstance(number, bool) or not is_finite(number):
                raise InputError("segmentation's polygons must be of finite numbers")
            if not -side <= number <= 2 * side:
                raise InputError(
                    f"segmentation's polygons must lie in the image of {width}×{height}, got {number}"
                )


def _as_rle(encoded: dict[str, Any]) -> Rle:
    height, width = encoded["size"]
    return Rle(size=[int(height), int(width)], counts=encoded["counts"].decode("ascii"))


def _kind(value: object) -> str:
    return "an empty list" if value == [] else type(value).__name__
