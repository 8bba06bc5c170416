"""A pasted object keeps its colour up to the light, and changes nothing beside itself."""

import cv2
import numpy as np
import pytest

from cris.data.collages.cutouts import Cutout
from cris.data.collages.paste import paste
from cris.data.scenes.draws import Draws
from tests.fixtures.photographs import GREEN, RED, ground

MEAN_SIDE = 210


def disc_cutout(diameter: int, colour=RED) -> Cutout:
    rows, columns = np.indices((diameter, diameter)) - (diameter - 1) / 2
    mask = rows**2 + columns**2 <= (diameter / 2) ** 2
    image = np.full((diameter, diameter, 3), 128, dtype=np.uint8)
    image[mask] = colour
    return Cutout(("dog",), image, (mask,))


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    size = 2 * abs(pixels) + 1
    change = cv2.dilate if pixels > 0 else cv2.erode
    kernel = np.ones((size, size), dtype=np.uint8)
    # what is beyond the image counts as not lit
    return change(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def luminance(colour) -> float:
    return float(np.dot(colour, (0.299, 0.587, 0.114)))


@pytest.mark.parametrize("number", range(30))
def test_only_the_pasted_object_changes_and_it_has_one_colour_again(number):
    before = ground(number)
    image = before.copy()
    (mask,) = paste(image, disc_cutout(80), Draws(number))
    np.testing.assert_array_equal(image[~grown(mask, 4)], before[~grown(mask, 4)])
    inside = image[grown(mask, -4)]
    assert len(np.unique(inside, axis=0)) == 1
    red, green, blue = map(int, inside[0])
    assert red > 2 * green
    assert abs(green - blue) <= 1


def test_light_goes_towards_that_of_the_image():
    for level, is_brighter in ((220, True), (20, False)):
        image = np.full((180, 240, 3), level, dtype=np.uint8)
        (mask,) = paste(image, disc_cutout(80, GREEN), Draws(1))
        found = luminance(image[grown(mask, -4)][0])
        assert (found > luminance(GREEN) + 5) == is_brighter
        assert (found < luminance(GREEN) - 5) != is_brighter
        assert min(level, luminance(GREEN)) < found < max(level, luminance(GREEN))


def test_sizes_and_places_keep_within_their_limits():
    sides, shares = [], []
    for number in range(200):
        image = ground(1)
        (mask,) = paste(image, disc_cutout(120), Draws("limits", number))
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        sides.append(max(height, width) / MEAN_SIDE)
        shares.append(mask.sum() / (np.pi / 4 * max(height, width) ** 2))
    assert 0.18 <= min(sides) < 0.25
    assert 0.5 < max(sides) <= 0.6
    assert min(shares) >= 0.82  # of the disc; 0.85 of its pixels with the outermost ones
    assert sum(share < 0.97 for share in shares) >= 10  # some go beyond the image


def test_small_objects_are_not_blown_up():
    for number in range(50):
        (mask,) = paste(ground(1), disc_cutout(30), Draws(number))
        assert mask.any(axis=0).sum() <= 45


def test_half_of_them_are_mirrored():
    image = np.zeros((60, 60, 3), dtype=np.uint8)
    image[:, :30] = 255
    cutout = Cutout(("dog",), image, (np.ones((60, 60), dtype=bool),))
    is_white_left = []
    for number in range(100):
        canvas = np.full((180, 240, 3), 100, dtype=np.uint8)
        (mask,) = paste(canvas, cutout, Draws(number))
        columns = np.flatnonzero(mask.any(axis=0))
        row = np.flatnonzero(mask.any(axis=1))[5]
        is_white_left.append(canvas[row, columns[4], 0] > canvas[row, columns[-5], 0])
    assert 35 <= sum(is_white_left) <= 65


def test_what_lies_on_an_object_comes_along_at_its_place():
    cutout = disc_cutout(80)
    tie = np.zeros((80, 80), dtype=bool)
    tie[30:60, 50:60] = True
    cutout.image[tie] = GREEN
    cutout = Cutout(("person", "tie"), cutout.image, (cutout.masks[0], tie))
    for number in range(20):
        image = ground(number)
        whole, part = paste(image, cutout, Draws(number))
        assert not (part & ~whole).any()
        inside = image[grown(part, -2)]
        assert (inside[:, 1].astype(int) > 2 * inside[:, 0].astype(int)).all()
        assert part.sum() == pytest.approx(whole.sum() * 300 / (np.pi * 40**2), rel=0.25)
