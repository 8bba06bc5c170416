import re
from xml.etree import ElementTree

import pytest

from cris.training.curves import MOST_POINTS, averaged, draw_curves

SVG = "{http://www.w3.org/2000/svg}"


def labels_of(drawing):
    return [text.text for text in ElementTree.fromstring(drawing).iter(f"{SVG}text")]


def curve_of(drawing):
    """Places of the points of the first curve."""
    paths = [
        path.get("d")
        for path in ElementTree.fromstring(drawing).iter(f"{SVG}path")
        if "stroke: #d6336c" in (path.get("style") or "")
    ]
    return [tuple(map(float, pair)) for pair in re.findall(r"[ML] (\S+) (\S+)", paths[0])]


def test_places_follow_steps_and_values_from_zero_on():
    drawing = draw_curves({"loss": [(0, 4.0), (50, 2.0), (100, 1.0)]})
    (x0, y0), (x1, y1), (x2, y2) = curve_of(drawing)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.01)
    assert y1 - y0 == pytest.approx(2 * (y2 - y1), abs=0.01)
    assert {"0", "1", "2", "3", "4"} <= set(labels_of(drawing))
    assert "loss, 1 at the end" in labels_of(drawing)


def test_learning_rates_are_drawn_by_their_logarithm_down_to_a_ten_thousandth():
    points = [(0, 1e-4), (10, 1e-5), (20, 1e-6), (30, 0.0)]
    drawing = draw_curves({"head": points}, is_log=True)
    first, second, third = curve_of(drawing)
    assert second[1] - first[1] == pytest.approx(third[1] - second[1], abs=0.01)
    assert {"0.0001", "1e−05", "1e−06", "head, 0 at the end"} <= set(labels_of(drawing))


def test_a_short_run_has_each_step_once_and_figures_to_four_places():
    labels = labels_of(draw_curves({"mean IoU": [(1, 0.3), (3, 7.8e-5)]}))
    assert [labels.count(step) for step in ("1", "2", "3")] == [1, 1, 1]
    assert "mean IoU, 0.0001 at the end" in labels


@pytest.mark.parametrize("is_log", [False, True])
def test_one_point_alone_is_a_dot(is_log):
    dot = r"<use [^>]*fill: #d6336c"
    assert re.search(dot, draw_curves({"loss": [(10, 0.5)]}, is_log=is_log))
    assert not re.search(dot, draw_curves({"loss": [(10, 0.5), (11, 0.5)]}, is_log=is_log))


def test_the_same_curves_give_the_same_file():
    assert draw_curves({"loss": [(0, 4.0), (9, 2.0)]}) == draw_curves({"loss": [(0, 4.0), (9, 2.0)]})


def test_long_curves_are_averaged_and_end_where_they_end():
    points = [(float(step), float(step % 2)) for step in range(30_001)]
    drawn = averaged(points)
    assert len(drawn) <= MOST_POINTS
    assert drawn[-1] == points[-1]
    assert all(value == pytest.approx(0.5, abs=0.01) for _, value in drawn[:-1])
    assert averaged(points[:MOST_POINTS]) == points[:MOST_POINTS]
    assert averaged([]) == []


def test_names_are_text_whatever_they_hold():
    drawing = draw_curves({"<script>& $x$": [(0, 1.0), (1, 2.0)]})
    assert "<script>& $x$, 2 at the end" in labels_of(drawing)
    assert not re.search("<script", drawing)
