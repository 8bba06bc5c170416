import random

import pytest

from cris.evaluation.compare import compare
from cris.evaluation.rows import Row
from tests.fixtures.rows import a_row


def rows_of(shift: int, seed: int = 0) -> list[Row]:
    generator = random.Random(seed)
    return [
        a_row(place, generator.randrange(200, 800) + shift, 1000, true_area=900, picture_id=place // 2)
        for place in range(60)
    ]


def test_a_shift_of_all_samples_has_a_narrow_interval() -> None:
    comparison = compare(rows_of(0), rows_of(20))
    found = {one.metric.name: one for one in comparison.differences}
    for name in ("mean_iou", "overall_iou", "giou"):
        assert found[name].change == pytest.approx(0.02)
        interval = found[name].interval
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((0.02, 0.02))


def test_a_difference_of_nothing_is_nothing() -> None:
    comparison = compare(rows_of(0), rows_of(0))
    assert all(one.change == one.interval.low == one.interval.high == 0 for one in comparison.differences)


def test_order_of_rows_changes_nothing() -> None:
    first, second = rows_of(0), rows_of(0, seed=1)
    mixed = first.copy()
    random.Random(2).shuffle(mixed)
    assert compare(mixed, second).to_dict(5) == compare(first, second).to_dict(5)


def test_samples_that_changed_most_come_first() -> None:
    first, second = rows_of(0), rows_of(0)
    second[7] = a_row(7, 0, 1000, true_area=900, picture_id=3, failure="wrong object")
    second[9] = a_row(9, 900, 900, true_area=900, picture_id=4)
    changed = compare(first, second).most_changed(2)
    assert {pair[0].sample for pair in changed} == {7, 9}


@pytest.mark.parametrize("change", [{"sentence": "another"}, {"picture_id": 99}, {"true_area": 899}])
def test_other_samples_are_refused(change: dict[str, object]) -> None:
    second = rows_of(0)
    second[3] = a_row(3, 500, 1000, **{"true_area": 900, "picture_id": 1} | change)
    with pytest.raises(ValueError, match="must be of the same samples"):
        compare(rows_of(0), second)
    with pytest.raises(ValueError, match="must be of the same samples"):
        compare(rows_of(0), rows_of(0)[1:])
