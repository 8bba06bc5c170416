import numpy as np
import pytest

from cris.data.scenes.draws import Draws
from cris.data.scenes.layout import LEAST_VISIBLE, REFERENCE_SIDE, make_layout


@pytest.fixture(scope="module")
def layouts():
    made = [make_layout(Draws("layout", index)) for index in range(100)]
    return [layout for layout in made if layout is not None]


def test_nearly_every_draw_gives_a_layout(layouts):
    assert len(layouts) >= 97


def test_scenes_have_two_to_ten_objects_most_often_three_to_six(layouts):
    counts = [len(layout.items) for layout in layouts]
    assert {2, 10} <= set(counts) <= set(range(2, 11))
    assert sum(3 <= count <= 6 for count in counts) > 0.6 * len(counts)


def test_all_objects_lie_inside_the_image(layouts):
    for layout in layouts:
        for patch in layout.patches:
            height, width = patch.solid.shape
            assert patch.left >= 0
            assert patch.top >= 0
            assert patch.left + width <= REFERENCE_SIDE
            assert patch.top + height <= REFERENCE_SIDE


def test_visibility_is_the_share_of_pixels_not_covered_by_later_objects(layouts):
    for layout in layouts:
        for index, patch in enumerate(layout.patches):
            seen = (layout.owner == index).sum() / patch.solid.sum()
            assert layout.visibility[index] == seen >= LEAST_VISIBLE


def test_some_objects_are_covered_in_part(layouts):
    shares = np.array([share for layout in layouts for share in layout.visibility])
    assert 0.1 < (shares < 1).mean() < 0.5


def test_occluded_layouts_have_an_object_within_the_range():
    made = [make_layout(Draws("occluded", index), (0.1, 0.3)) for index in range(40)]
    shares = [layout.visibility for layout in made if layout is not None]
    assert len(shares) >= 20
    assert all(any(0.1 <= share <= 0.3 for share in layout) for layout in shares)
