import xml.etree.ElementTree as ET

from cris.evaluation.report.plots import MOST_GROUPS, TITLES, plots
from cris.evaluation.results import Evaluation
from tests.fixtures.rows import a_row

HOSTILE = "<script>alert(1)</script> & $x_1$ \\frac ]]> -->"


def test_every_way_to_group_has_a_plot_and_names_stay_text() -> None:
    rows = [
        a_row(place, place % 5, 5, picture_id=place, category=HOSTILE if place % 2 else f"thing-{place}")
        for place in range(60)
    ]
    found = plots(Evaluation(rows))
    assert found.keys() == {"iou", "precision", "score"} | TITLES.keys()
    drawn = ET.fromstring(found["category"])
    texts = ["".join(element.itertext()) for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert HOSTILE in texts
    assert not [element for element in drawn.iter() if element.tag.endswith("script")]
    assert "<!--" not in found["category"]
    assert sum(text.startswith("thing-") for text in texts) == MOST_GROUPS - 1


def test_one_sample_has_plots_too() -> None:
    assert all("<svg" in svg for svg in plots(Evaluation([a_row()])).values())
