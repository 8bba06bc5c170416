import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cris.letterbox import CELL, Letterbox

sides = st.integers(1, 700)
sizes = st.sampled_from([32, 96, 160])
protocols = st.sampled_from(["default", "released"])


def averaged(square: np.ndarray) -> np.ndarray:
    cells = len(square) // CELL
    return square.reshape(cells, CELL, cells, CELL).mean(axis=(1, 3))


@given(sides, sides, sizes, protocols)
def test_inverse_restores_a_full_image(height, width, size, protocol):
    letterbox = Letterbox(height, width, size, protocol)
    restored = letterbox.restore(np.ones((size // CELL, size // CELL), np.float32))
    if protocol == "released":  # blends with zeros within two pixels of the square's border
        border = 1 + round(2 * max(height, width) / size)
        restored = restored[border:-border, border:-border]
    np.testing.assert_allclose(restored, 1, atol=1e-4)


@given(st.integers(60, 700), st.integers(60, 700), sizes, st.data())
def test_inverse_brings_a_box_back_to_its_place(height, width, size, data):
    cell = CELL * max(height, width) / size  # in pixels of the image
    assume(min(height, width) > 8 * cell)
    top, left = data.draw(st.floats(0, 0.5)) * height, data.draw(st.floats(0, 0.5)) * width
    mask = np.zeros((height, width), bool)
    mask[round(top) : round(top + height / 2), round(left) : round(left + width / 2)] = True
    letterbox = Letterbox(height, width, size)
    found = letterbox.restore(averaged(letterbox.apply_mask(mask))) > 0.5
    for axis in (0, 1):
        expected, got = (np.flatnonzero(image.any(axis=axis)) for image in (mask, found))
        assert got.min() == pytest.approx(expected.min(), abs=cell / 2 + 1)
        assert got.max() == pytest.approx(expected.max(), abs=cell / 2 + 1)


@given(sides, sides, sizes, st.integers(0, 2**32 - 1))
def test_default_is_indifferent_to_mirroring(height, width, size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    letterbox = Letterbox(height, width, size)
    square, mirrored = letterbox.apply(image), letterbox.apply(image[:, ::-1].copy())
    covered = letterbox.apply_mask(np.ones((height, width), bool)).any(axis=0)
    difference = square[:, covered].astype(int) - mirrored[:, covered][:, ::-1]
    assert np.abs(difference).max() <= 1  # rounding
