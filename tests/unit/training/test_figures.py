"""Where things are on a sheet, whatever the images and sentences are like."""

from dataclasses import replace

import numpy as np
import pytest

from cris.prediction import highlight
from cris.training.figures import MaskExample, draw_sheet

BLOCK = 3 * 208 + 3 * 8, 208 + 40 + 16  # pixels: width and height of an example


def shown(height=208, width=208, sentence="the red thing"):
    random = np.random.default_rng(0)
    truth = np.zeros((height, width), dtype=bool)
    truth[: height // 2] = True
    image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return MaskExample(image=image, sentence=sentence, truth=truth, found={"found": ~truth})


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (8, 2, 4)])
def test_examples_fill_two_columns(count, columns, rows):
    sheet = draw_sheet([shown()] * count)
    assert sheet.size == (columns * BLOCK[0] + 8, rows * BLOCK[1] + 8)


def test_several_models_stand_beside_each_other():
    example = shown()
    several = replace(example, found={"one": ~example.truth, "other": example.truth})
    sheet = np.asarray(draw_sheet([several] * 2))
    assert sheet.shape[:2] == (2 * BLOCK[1] + 8, 4 * (208 + 8) + 8)
    for place, mask in enumerate(several.found.values()):
        x = 8 + (2 + place) * (208 + 4)
        assert np.array_equal(sheet[8 : 8 + 208, x : x + 208], np.asarray(highlight(example.image, mask)))


def test_a_block_holds_the_image_what_is_meant_and_what_is_found():
    example = shown()
    sheet = np.asarray(draw_sheet([example] * 3))
    for left, top in ((8, 8), (8 + BLOCK[0], 8), (8, 8 + BLOCK[1])):
        panels = (
            example.image,
            highlight(example.image, example.truth),
            highlight(example.image, example.found["found"]),
        )
        for place, panel in enumerate(panels):
            x = left + place * (208 + 4)
            assert np.array_equal(sheet[top : top + 208, x : x + 208], np.asarray(panel))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 900), (900, 2), (300, 500)])
def test_any_shape_lies_in_the_middle_of_its_panel(height, width):
    sheet = np.asarray(draw_sheet([shown(height, width)]))
    is_drawn = (sheet[8 : 8 + 208, 8 : 8 + 208] != 255).any(axis=2)
    rows, columns = (np.flatnonzero(is_drawn.any(axis=axis)) for axis in (1, 0))
    for lines in (rows, columns):
        assert abs(lines[0] - (207 - lines[-1])) <= 1


@pytest.mark.parametrize("sentence", ["", "x" * 400, "word " * 100, "красный мяч 赤いボール"])
def test_any_sentence_stays_below_its_images(sentence):
    sheet = np.asarray(draw_sheet([shown(sentence=sentence)] * 2))
    between = sheet[8 + 208 : BLOCK[1], 8 + 3 * 208 + 2 * 4 + 2 : 8 + BLOCK[0] - 1]
    assert (between == 255).all()
