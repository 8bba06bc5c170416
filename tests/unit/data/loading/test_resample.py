"""Training's squares are the letterbox's but for rounding; its masks are exact."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.data.loading.resample import cell_shares, quick_square
from cris.letterbox import Letterbox

SIDES = st.integers(1, 60)


def test_quick_squares_of_photographs_differ_by_half_a_level(shared_real):
    differences, aliasing = [], []
    for path in sorted((shared_real / "images").iterdir())[::8]:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        letterbox = Letterbox(*image.shape[:2], 416)
        exact = letterbox.apply(image).astype(int)
        rows, columns = (slice(4 * part.start, 4 * part.stop) for part in letterbox.cells)
        inner = exact[rows, columns]
        sampled = cv2.resize(image, inner.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        differences.append(np.abs(quick_square(image, letterbox) - exact)[rows, columns].mean())
        aliasing.append(np.abs(sampled - inner).mean())
    assert np.mean(differences) < 0.6
    assert max(differences) < 1.5
    assert np.mean(differences) < 0.5 * np.mean(aliasing)


@given(SIDES, SIDES, st.sampled_from(["default", "released"]))
def test_squares_have_the_letterbox_s_place_and_padding(height, width, protocol):
    letterbox = Letterbox(height, width, 32, protocol)
    white = np.full((height, width, 3), 255, dtype=np.uint8)
    np.testing.assert_array_equal(quick_square(white, letterbox), letterbox.apply(white))


@pytest.mark.parametrize("shape", [(20, 20), (416, 300), (900, 1200), (40, 900)])
def test_images_that_do_not_shrink_by_less_than_half_come_exactly(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    letterbox = Letterbox(*shape, 416)
    np.testing.assert_array_equal(quick_square(image, letterbox), letterbox.apply(image))


@given(SIDES, SIDES, st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32), st.floats(0, 1))
def test_cell_shares_are_the_mean_of_the_mask_over_each_cell(height, width, rows, columns, seed, density):
    random = np.random.default_rng(seed)
    mask = random.random((height, width)) < density
    mask[: random.integers(height + 1)] = False
    mask[:, : random.integers(width + 1)] = False
    fine = np.repeat(np.repeat(mask, rows, axis=0), columns, axis=1)
    expected = fine.reshape(rows, height, columns, width).mean(axis=(1, 3))
    for turned, shares in ((mask, expected), (mask[:, ::-1], expected[:, ::-1])):
        np.testing.assert_allclose(cell_shares(turned, rows, columns), shares, atol=1e-6)
