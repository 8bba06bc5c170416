import itertools
import math

import numpy as np
import pytest

from cris.data.scenes.layout import DIAMETERS, TURN_JITTER
from cris.data.scenes.shapes import CATEGORIES, draw_outline


def full_frame(category, side=160, diameter=120.0, angle=0.0):
    patch = draw_outline(category, side / 2, side / 2, diameter, angle)
    frame = np.zeros((side, side), dtype=bool)
    height, width = patch.solid.shape
    frame[patch.top : patch.top + height, patch.left : patch.left + width] = patch.solid
    return frame


def test_there_are_at_least_twelve_kinds_of_object():
    assert len(CATEGORIES) == len(set(CATEGORIES)) >= 12


def test_silhouettes_differ_clearly():
    drawn = {(name, turn): full_frame(name, angle=turn) for name in CATEGORIES for turn in (0.0, TURN_JITTER)}
    for (first, a), (second, b) in itertools.combinations(drawn.items(), 2):
        if first[0] != second[0]:
            assert (a & b).sum() / (a | b).sum() < 0.9, (first, second)


@pytest.mark.parametrize("diameter", [22.0, 41.7, 300.3])
def test_covered_area_is_the_area_of_the_outline(diameter):
    half = diameter / 2
    square = draw_outline("square", 200.3, 199.6, diameter, 0.4).coverage.sum()
    assert square == pytest.approx((2 * 0.86 * half) ** 2, rel=0.01)
    ring = draw_outline("ring", 200.3, 199.6, diameter, 0.4).coverage.sum()
    assert ring == pytest.approx(math.pi * half**2 * (1 - 0.54**2), rel=0.02)


def test_a_ring_has_a_hole_and_a_circle_has_none():
    assert not full_frame("ring")[80, 80]
    assert full_frame("circle")[80, 80]


@pytest.mark.parametrize("category", CATEGORIES)
def test_coverage_lies_between_none_and_all(category):
    coverage = draw_outline(category, 50.2, 49.9, 41.0, 0.1).coverage
    assert coverage.min() >= 0
    assert coverage.max() == 1


@pytest.mark.parametrize("category", CATEGORIES)
def test_moving_by_whole_pixels_changes_nothing_else(category):
    here = draw_outline(category, 40.25, 41.5, 33.0, 0.2)
    there = draw_outline(category, 140.25, 61.5, 33.0, 0.2)
    assert (there.left - here.left, there.top - here.top) == (100, 20)
    assert np.array_equal(here.coverage, there.coverage)


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("angle", np.linspace(0, 2 * math.pi, 8).tolist())
def test_no_row_runs_over_into_the_next(category, angle):
    for shift in (0.0, 0.3, 0.9):
        patch = draw_outline(category, 80 + shift, 80.3, 61.8, angle)
        assert patch.coverage.min() >= 0
        assert patch.coverage.max() == 1
        rows, columns = np.indices(patch.coverage.shape)
        away = np.hypot(columns + patch.left - 79.5 - shift, rows + patch.top - 79.8)
        assert not patch.coverage[away > 61.8 * 0.67 + 1.5].any()


def test_size_classes_lie_apart():
    (_, small), (medium, wide), (large, _) = DIAMETERS.values()
    assert min(medium - small, large - wide) >= 0.04


def test_an_edge_on_the_border_is_drawn_whichever_way_it_is_rounded():
    x, y, diameter = 0.978972984046078, 0.5723944767901968, 22.94697218108221
    straight = draw_outline("square", x, y, diameter, 0.0)
    turned = draw_outline("square", x, y, diameter, -0.009096184260089735)
    assert turned.coverage.sum() == pytest.approx(straight.coverage.sum(), rel=0.01)
