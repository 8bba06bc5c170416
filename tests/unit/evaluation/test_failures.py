import numpy as np
import pytest

from cris.evaluation.failures import explain


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((40, 60), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


NOTHING = box(0, 0, 0, 0)
TARGET = box(10, 10, 20, 20)
OTHER = box(30, 10, 40, 20)
FAR = box(45, 25, 55, 35)
WHOLE = box(5, 5, 35, 35)  # of which the small TARGET is a part, as a tie is of a person


@pytest.mark.parametrize(
    ("found", "true", "others", "failure"),
    [
        (TARGET, TARGET, [OTHER], None),
        (box(10, 10, 20, 17), TARGET, [OTHER], None),
        (NOTHING, NOTHING, [OTHER], None),
        (NOTHING, TARGET, [OTHER], "missed"),
        (OTHER, NOTHING, [OTHER], "hallucinated"),
        (FAR, NOTHING, [], "hallucinated"),
        (OTHER, TARGET, [OTHER, FAR], "wrong object"),
        (box(30, 10, 40, 14), TARGET, [OTHER], "wrong object"),
        (box(0, 30, 5, 40), TARGET, [OTHER], "wrong object"),
        (box(0, 30, 5, 40), TARGET, [], "wrong object"),
        (box(10, 10, 20, 14), TARGET, [OTHER], "bad mask"),
        (box(10, 10, 40, 20), TARGET, [], "bad mask"),
        (box(5, 5, 25, 29), TARGET, [OTHER], "bad mask"),
        (TARGET | OTHER | FAR, TARGET, [OTHER, FAR], "merged"),
        (OTHER | FAR, TARGET, [OTHER, FAR], "merged"),
        (box(10, 10, 20, 20) | box(30, 10, 40, 16), TARGET, [OTHER], None),
        (WHOLE, TARGET, [WHOLE & ~TARGET], "merged"),
        (box(0, 0, 45, 40), TARGET, [box(0, 0, 45, 40) & ~TARGET], "wrong object"),
        (box(10, 10, 20, 14), TARGET, [WHOLE], "bad mask"),
    ],
    ids=[
        "right",
        "right enough",
        "rightly nothing",
        "nothing of something",
        "an object for nothing",
        "ground for nothing",
        "another object",
        "part of another object",
        "ground, with objects elsewhere",
        "ground, without other objects",
        "part of the right one",
        "the right one and ground",
        "too much round the right one",
        "the right one and two others",
        "two others",
        "the right one and part of another, still right",
        "what the target is a notable part of",
        "what the target is a small part of",
        "part of the right one, which lies on a larger one",
    ],
)
def test_a_constructed_case_gets_its_kind(
    found: np.ndarray, true: np.ndarray, others: list[np.ndarray], failure: str | None
) -> None:
    assert explain(found, true, others).failure == failure


def test_best_other_is_the_highest_overlap_with_what_is_not_meant() -> None:
    assert explain(OTHER, TARGET, [FAR, OTHER]).best_other_iou == pytest.approx(1.0)
    assert explain(box(30, 10, 40, 15), TARGET, [FAR, OTHER]).best_other_iou == pytest.approx(0.5)
    assert explain(TARGET, TARGET, [FAR, OTHER]).best_other_iou == 0.0
    assert explain(TARGET, TARGET, []).best_other_iou == 0.0


def test_every_miss_has_a_kind_and_no_hit_has_one() -> None:
    generator = np.random.default_rng(0)
    for _ in range(500):
        ends = np.sort(generator.integers(0, 61, (4, 2)))
        found, true, *others = (box(left, 0, right, 40) for left, right in ends)
        if not true.any():
            continue
        shared, either = (found & true).sum(), (found | true).sum()
        assert (explain(found, true, others).failure is None) == bool(shared / (either + 1e-6) >= 0.5)
