import pytest

from cris.evaluation.breakdowns import BREAKDOWNS, breakdown
from cris.evaluation.results import Evaluation
from tests.fixtures.rows import a_row

ROWS = [
    a_row(0, 30, 60, category="dog", words=1, kind="plain", distractors=0, picture_id=1, true_area=40),
    a_row(
        1, 10, 60, category="dog", words=7, kind="spatial", distractors=9, failure="bad mask", true_area=12
    ),
    a_row(
        2, 0, 9, category=None, words=30, kind="plain", failure="missed", true_area=1, height=100, width=100
    ),
    a_row(3, 0, 0, category="cat", words=2, kind="plain", true_area=0, predicted_area=0),
]


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("kind", {"plain": [0, 2, 3], "spatial": [1]}),
        ("category", {"dog": [0, 1], "cat": [3], "none or several": [2]}),
        ("words", {"1": [0], "2": [3], "6–7": [1], "11 +": [2]}),
        ("area", {"no_target": [3], "0–0.1 %": [2], "1–3 %": [1], "3–10 %": [0]}),
        ("distractors", {"0": [0, 2, 3], "5 +": [1]}),
    ],
)
def test_every_row_is_in_its_group_and_groups_are_in_order(by: str, groups: dict[str, list[int]]) -> None:
    found = breakdown(ROWS, by)
    assert [group.name for group in found] == list(groups)
    for group, places in zip(found, groups.values(), strict=True):
        assert group.summary.count == len(places)
        assert sum(group.failures.values()) == sum(ROWS[place].failure is not None for place in places)


def test_groups_add_up_to_the_total() -> None:
    evaluation = Evaluation(ROWS)
    for by in BREAKDOWNS:
        groups = [group.summary for group in evaluation.breakdowns[by]]
        assert sum(group.count for group in groups) == evaluation.total.count
        weighted = sum(group.count * group["mean_iou"] for group in groups) / evaluation.total.count
        assert weighted == pytest.approx(evaluation.total["mean_iou"])


def test_json_holds_the_total_and_every_group() -> None:
    content = Evaluation(ROWS).to_dict()
    assert content["kinds"].keys() == {"plain", "spatial"}
    assert content["breakdowns"].keys() == BREAKDOWNS.keys() - {"kind"}
    assert content["failures"] == {"bad mask": 1, "missed": 1}
    assert content["breakdowns"]["category"]["dog"]["intervals"]["mean_iou"][0] < 0.5
    assert content["breakdowns"]["category"]["cat"]["intervals"] == {}
