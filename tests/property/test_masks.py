import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from cris.masks import box_of, decode_rle, encode_rle

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40))


@st.composite
def sparse_masks(draw):
    """Long runs, whose lengths need several characters."""
    height, width = draw(st.integers(1, 400)), draw(st.integers(1, 400))
    mask = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(0, 5))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[top : top + draw(st.integers(1, 300)), left : left + draw(st.integers(1, 300))] ^= True
    return mask


@given(masks | sparse_masks())
def test_run_lengths_give_the_mask_back(mask):
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


@given(masks | sparse_masks())
def test_pycocotools_reads_ours(mask):
    np.testing.assert_array_equal(coco.decode(encode_rle(mask)), mask)


@given(masks | sparse_masks())
def test_box_is_pycocotools_box(mask):
    left, top, width, height = coco.toBbox(encode_rle(mask))
    assert box_of(mask) == ((left, top, left + width, top + height) if mask.any() else None)


@given(st.text(max_size=20) | st.lists(st.integers(), max_size=5), st.integers(), st.integers())
def test_foreign_text_is_a_mask_or_a_value_error(counts, height, width):
    try:
        mask = decode_rle({"size": [height, width], "counts": counts})
    except ValueError:
        return
    assert mask.shape == (height, width)
