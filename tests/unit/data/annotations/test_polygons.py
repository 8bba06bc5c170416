"""Every form of COCO's segmentations gives pycocotools' mask, bit for bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from cris.data.annotations.polygons import (
    check_in_image,
    rle_area,
    segmentation_rle,
    stray_polygons,
)
from cris.errors import InputError
from cris.masks import decode_rle
from tests.fixtures.family import coco_mask

HEIGHT, WIDTH = 30, 40
COORDINATES = st.floats(-30, 60, allow_nan=False) | st.integers(-5, 45)
POLYGONS = st.lists(
    st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=8).map(
        lambda points: [n for p in points for n in p]
    ),
    min_size=1,
    max_size=4,
)


@given(POLYGONS)
def test_polygons_give_the_mask_of_pycocotools(polygons: list[list[float]]) -> None:
    rle = segmentation_rle(polygons, HEIGHT, WIDTH)
    expected = coco_mask(polygons, HEIGHT, WIDTH)
    assert np.array_equal(decode_rle(rle), expected)
    assert rle_area(rle) == expected.sum()
    assert rle["size"] == [HEIGHT, WIDTH]


@given(st.binary(min_size=HEIGHT * WIDTH // 8, max_size=HEIGHT * WIDTH // 8))
def test_run_lengths_give_their_mask_compressed_or_not(pixels: bytes) -> None:
    mask = np.unpackbits(np.frombuffer(pixels, dtype=np.uint8)).astype(bool).reshape(HEIGHT, WIDTH)
    compressed = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
    counts = np.diff([0, *edges, flat.size]).tolist()
    for form in (compressed["counts"], compressed["counts"].decode("ascii"), counts):
        rle = segmentation_rle({"size": [HEIGHT, WIDTH], "counts": form}, HEIGHT, WIDTH)
        assert np.array_equal(decode_rle(rle), mask)
        assert np.array_equal(coco.decode(dict(rle)).astype(bool), mask)


def test_real_segmentations_give_the_masks_of_pycocotools(shared_real: Path) -> None:
    content = json.loads((shared_real / "instances.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    assert len(content["annotations"]) > 800
    for each in content["annotations"]:
        size = sizes[each["image_id"]]
        rle = segmentation_rle(each["segmentation"], *size)
        assert np.array_equal(decode_rle(rle), coco_mask(each["segmentation"], *size)), each["id"]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "an empty list"),
        (None, "NoneType"),
        ("text", "str"),
        ([[1, 2, 3, 4]], "three points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "three points"),
        ([[]], "three points"),
        ([1, 2, 3, 4], "three points"),
        ([[1, 2, 3, 4, 5, 6], [1, 2, 3]], r"three points.* got \[1, 2, 3\]"),
        ([[1, 2, 3, 4, 5, 10**400]], "finite"),
        ([[1, 2, 3, 4, 5, float("nan")]], "finite"),
        ([[1, 2, 3, 4, 5, float("inf")]], "finite"),
        ([[1, 2, 3, 4, 5, "6"]], "finite"),
        ([[1, 2, 3, 4, 5, 1e9]], "lie in the image of 40×30, got 1000000000.0"),
        ({"size": [40, 30], "counts": [1200]}, r"\[30, 40\], got \[40, 30\]"),
        ({"size": 30, "counts": [1200]}, "got 30"),
        ({"counts": [1200]}, "got None"),
        ({"size": [30, 40], "counts": [1199]}, "add up to 30×40"),
        ({"size": [30, 40], "counts": [-1, 1201]}, "add up to"),
        ({"size": [30, 40], "counts": [1200.0]}, "whole numbers"),
        ({"size": [30, 40], "counts": "n1"}, "damaged"),
        ({"size": [30, 40], "counts": ""}, "damaged"),
        ({"size": [30, 40], "counts": None}, "NoneType"),
        ({"size": [30, 40]}, "NoneType"),
    ],
)
def test_what_is_no_mask_is_refused(segmentation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segmentation_rle(segmentation, HEIGHT, WIDTH)


TRIANGLE = [5, 5, 25, 5, 5, 25]


def test_a_flat_list_of_numbers_is_one_polygon() -> None:
    assert segmentation_rle(TRIANGLE, HEIGHT, WIDTH) == segmentation_rle([TRIANGLE], HEIGHT, WIDTH)


@pytest.mark.parametrize("stray", [[], [1, 2], [1, 2, 3, 4], ["x", None]])
def test_stray_clicks_beside_a_polygon_are_passed_over(stray: list[Any]) -> None:
    whole = segmentation_rle([TRIANGLE], HEIGHT, WIDTH)
    assert segmentation_rle([TRIANGLE, stray], HEIGHT, WIDTH) == whole
    assert segmentation_rle([stray, TRIANGLE], HEIGHT, WIDTH) == whole
    assert stray_polygons([stray, TRIANGLE, stray]) == [0, 2]
    assert stray_polygons([TRIANGLE]) == stray_polygons(TRIANGLE) == []


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[50, 5, 60, 5, 60, 20]], "lie in the image of 40×30, got 50 to 60 across and 5 to 20 down"),
        ([[-9, 5, -1, 5, -1, 20]], "got -9 to -1 across"),
        ([[5, 31, 20, 31, 20, 40], [5, 45, 20, 45, 20, 50]], "got 5 to 20 across and 31 to 50 down"),
        ([[5, -20, 20, -20, 20, 0]], "got 5 to 20 across and -20 to 0 down"),
        ([[0.1, 0.2, 0.9, 0.2, 0.9, 1.0]], "in pixels, got .* 0 to 1: multiply them .* 40, and height, 30"),
        ([0.1, 0.2, 0.9, 0.2, 0.9, 1.0], "in pixels"),
    ],
)
def test_polygons_beyond_the_image_or_in_shares_of_it_are_refused(segmentation: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_in_image(segmentation, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "segmentation",
    [
        [TRIANGLE],
        [[35, 5, 60, 5, 60, 20]],  # half outside
        [[50, 5, 60, 5, 60, 20], TRIANGLE],  # one of two parts outside
        [[0, 0, 1, 0, 1.5, 1]],
        {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]},
    ],
)
def test_what_lies_in_the_image_in_part_is_taken(segmentation: Any) -> None:
    check_in_image(segmentation, HEIGHT, WIDTH)
