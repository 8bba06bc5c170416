import cv2
import numpy as np
import pytest

from cris.letterbox import CELL, MEAN_RGB, STD_RGB, Letterbox, ceiling, normalise

SIZES = [(1, 1), (416, 416), (333, 500), (500, 333), (2000, 3), (1, 1000), (31, 47)]
PADDING = np.round(255 * np.array(MEAN_RGB)).astype(np.uint8)
PROTOCOLS = ["default", "released"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", SIZES)
def test_input_is_a_square_and_the_answer_has_the_images_size(size, protocol):
    letterbox = Letterbox(*size, 64, protocol)
    assert letterbox.apply(np.zeros((*size, 3), np.uint8)).shape == (64, 64, 3)
    assert letterbox.apply_mask(np.ones(size, bool)).shape == (64, 64)
    assert letterbox.restore(np.zeros((16, 16), np.float32)).shape == size


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_image_of_the_inputs_size_passes_unchanged(protocol):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    letterbox = Letterbox(64, 64, 64, protocol)
    np.testing.assert_array_equal(letterbox.apply(image), image)
    np.testing.assert_array_equal(letterbox.apply_mask(image[..., 0] > 99), image[..., 0] > 99)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_mean_colour_surrounds_the_image_and_normalises_to_nothing(protocol):
    square = Letterbox(32, 64, 64, protocol).apply(np.full((32, 64, 3), 255, np.uint8))
    assert (square[18:46] == 255).all()
    assert (square[:14] == PADDING).all()
    assert (square[50:] == PADDING).all()
    assert np.abs(normalise(square)[:, :14]).max() < 0.5 / 255 / min(STD_RGB)


@pytest.mark.parametrize("size", SIZES)
def test_no_cell_mixes_image_and_padding(size):
    covered = Letterbox(*size, 64).apply_mask(np.ones(size, bool))
    cells = covered.reshape(16, CELL, 16, CELL).mean(axis=(1, 3))
    assert set(np.unique(cells)) <= {0.0, 1.0}
    assert cells.max(axis=0).all() or cells.max(axis=1).all()  # one side is filled


def test_shrinking_averages_what_it_drops():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 254
    np.testing.assert_array_equal(Letterbox(256, 256, 64).apply(stripes), 127)


def test_shrinking_averages_along_a_side_even_where_the_other_grows():
    stripes = np.zeros((1, 1024, 3), np.uint8)
    stripes[:, ::2] = 254
    square = Letterbox(1, 1024, 64).apply(stripes)
    np.testing.assert_array_equal(square[28:32], 127)


def test_the_answer_is_read_at_pixel_centres():
    # every cell holds its own centre, in pixels of the image: interpolated, pixels must get theirs
    letterbox = Letterbox(100, 200, 64)
    x, y = np.meshgrid((np.arange(16) + 0.5) * 200 / 16, (np.arange(-4, 12) + 0.5) * 100 / 8)
    expected_y, expected_x = np.mgrid[:100, :200] + 0.5
    inner = np.s_[25:-25, 25:-25]  # cells at the border have no neighbour on one side
    for cells, expected in ((x, expected_x), (y, expected_y)):
        difference = (letterbox.restore(cells.astype(np.float32)) - expected)[inner]
        assert abs(difference.mean()) < 1e-3
        assert abs(difference).max() < 0.05 * 12.5  # the kernel's own ripple, in pixels of a cell


def test_padding_never_reaches_the_answer():
    grid = np.full((16, 16), 1000, np.float32)
    grid[4:12] = 0.25
    np.testing.assert_allclose(Letterbox(100, 200, 64).restore(grid), 0.25, rtol=1e-5)


def test_the_released_answer_is_zero_beyond_the_square():
    grid = np.full((16, 16), 0.5, np.float32)
    answer = Letterbox(64, 64, 64, "released").restore(grid)
    np.testing.assert_allclose(answer, 0.5, rtol=1e-5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_perfect_network_reaches_the_ceiling(protocol):
    mask = cv2.circle(np.zeros((300, 400), np.uint8), (150, 150), 60, 1, -1).astype(bool)
    assert 0.95 < ceiling(mask, 416, protocol) < 1
    assert ceiling(mask, 160, protocol) < ceiling(mask, 416, protocol)


def test_the_ceiling_of_ours_is_above_the_released():
    speckled = cv2.GaussianBlur(np.random.default_rng(0).random((240, 320)), (0, 0), 4) > 0.5
    assert ceiling(speckled, 160, "default") > ceiling(speckled, 160, "released")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 10, 100), "multiple of 32 pixels, got 100"),
        ((10, 10, 0), "multiple of 32 pixels, got 0"),
        ((0, 10, 64), "at least one pixel, got 0×10"),
        ((2, 40_000, 64, "released"), "at most 32766 pixels a side"),
    ],
)
def test_impossible_geometry_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Letterbox(*arguments)


def test_normalising_keeps_leading_axes():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 8, 9, 3), dtype=np.uint8)
    expected = ((images / 255 - MEAN_RGB) / STD_RGB).transpose(0, 1, 4, 2, 3)
    np.testing.assert_allclose(normalise(images), expected, atol=1e-5)
