import numpy as np
import pytest
from pycocotools import mask as coco

from cris.masks import box_of, decode_rle, encode_rle

MASK = np.array([[0, 1, 1], [0, 0, 1]], dtype=bool)


def test_rle_counts_down_the_columns():
    assert encode_rle(MASK) == {
        "size": [2, 3],
        "counts": coco.encode(np.asfortranarray(MASK, np.uint8))["counts"].decode(),
    }
    np.testing.assert_array_equal(decode_rle({"size": [2, 3], "counts": [2, 1, 1, 2]}), MASK)


def test_bytes_and_text_decode_alike():
    counts = encode_rle(MASK)["counts"]
    np.testing.assert_array_equal(decode_rle({"size": [2, 3], "counts": counts.encode()}), MASK)


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [4, 4], "counts": ""},
        {"size": [4, 4], "counts": "04"},  # four pixels of sixteen
        {"size": [4, 4], "counts": "zzzz"},
        {"size": [4, 4], "counts": "é"},
        {"size": [4, 4], "counts": "o" * 50},  # a run of 250 bits
        {"size": [-4, -4], "counts": "`0"},
        {"size": [4], "counts": "`0"},
        {"size": [4, "x"], "counts": "`0"},
        {"size": [4, 4], "counts": [17, -1]},
        {"size": [4, 4], "counts": [[16]]},
        {"size": [4, 4], "counts": {}},
        {"size": [4, 4]},
        {"size": [10**6, 10**6], "counts": [1]},
    ],
)
def test_broken_run_lengths_are_refused(rle):
    with pytest.raises(ValueError, match=r"expected a COCO run-length encoding|runs must add up"):
        decode_rle(rle)


def test_box_excludes_its_right_and_bottom():
    mask = np.zeros((5, 9), bool)
    mask[2, 3:7] = True
    assert box_of(mask) == (3, 2, 7, 3)


def test_nothing_has_no_box():
    assert box_of(np.zeros((5, 9), bool)) is None
