import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.ambiguity import ALONE, CHECKED, FEWEST_WORDS, LIT, Check, Evidence, ambiguity, gather, rival
from cris.letterbox import Letterbox
from cris.model.output import ModelOutput
from cris.prediction import Prediction

GRIDS = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random((7, 9)).astype(np.float32) ** 3
)


def grid(*spots: tuple[int, int, float]) -> np.ndarray:
    cells = np.full((16, 16), 0.01, dtype=np.float32)
    for row, column, probability in spots:
        cells[row : row + 2, column : column + 2] = probability
    return cells


@pytest.mark.parametrize(
    ("spots", "expected"),
    [
        ([], 0.0),
        ([(2, 2, 0.9)], 0.0),
        ([(2, 2, 0.9), (10, 10, 0.6)], 0.6),
        ([(2, 2, 0.4), (10, 10, 0.4)], 0.4),
        ([(2, 2, 0.9), (10, 10, 0.6), (2, 10, 0.3)], 0.6),
        ([(2, 2, 0.9), (4, 4, 0.6)], 0.0),  # they touch at a corner: one region
        ([(2, 2, 0.9), (10, 10, LIT)], 0.0),
    ],
)
def test_the_rival_is_the_second_strongest_region(spots, expected):
    assert rival(grid(*spots)) == pytest.approx(expected)


def slow_rival(cells: np.ndarray) -> float:
    """By flooding from every lit cell in turn."""
    waiting = {(int(y), int(x)) for y, x in zip(*np.nonzero(cells > LIT), strict=True)}
    peaks = [0.0, 0.0]
    while waiting:
        region, todo = set(), [waiting.pop()]
        while todo:
            y, x = todo.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & waiting
            waiting -= near
            todo += near
        peaks.append(max(float(cells[place]) for place in region))
    return sorted(peaks)[-2]


@given(GRIDS)
def test_the_rival_equals_a_plain_search(cells):
    assert rival(cells) == pytest.approx(slow_rival(cells))


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("the star", FEWEST_WORDS),
        ("a red star", 2),
        ("The big red star.", 3),
        ("a red star left of the ring", 5),
        ("  star ", FEWEST_WORDS),
        ("the", FEWEST_WORDS),
    ],
)
def test_articles_are_not_counted(sentence, words):
    assert gather(grid(), sentence, None).words == words


evidences = st.builds(
    Evidence,
    rival=st.floats(0, 1),
    words=st.integers(0, 60),
    check=st.none() | st.builds(Check, agreement=st.floats(0, 1), narrowing=st.floats(0, 20)),
)


@given(evidences, st.floats(0, 1))
def test_a_stronger_rival_never_makes_it_less_ambiguous(evidence, other):
    low, high = sorted((evidence.rival, other))
    less, more = (ambiguity(replace(evidence, rival=each)) for each in (low, high))
    assert 0 <= less <= more <= 1


@given(evidences)
def test_saying_more_never_makes_it_more_ambiguous(evidence):
    assert ambiguity(replace(evidence, words=evidence.words + 1)) <= ambiguity(evidence)


@given(evidences, st.floats(0, 1), st.floats(0, 1))
def test_less_agreement_never_makes_it_less_ambiguous(evidence, one, other):
    low, high = (
        replace(evidence, check=Check(agreement=1 - each, narrowing=1.0)) for each in sorted((one, other))
    )
    assert ambiguity(low) <= ambiguity(high)


@given(evidences, st.floats(0, 20), st.floats(0, 20))
def test_words_that_narrow_the_answer_down_never_make_it_more_ambiguous(evidence, one, other):
    low, high = (
        replace(evidence, check=Check(agreement=0.8, narrowing=each)) for each in sorted((one, other))
    )
    assert ambiguity(high) <= ambiguity(low)


def test_it_is_the_logistic_function_of_a_line():
    evidence = Evidence(rival=0.3, words=3, check=None)
    line = ALONE.rival * math.log(0.32) + ALONE.words * 3 + ALONE.offset
    assert ambiguity(evidence) == pytest.approx(1 / (1 + math.exp(-line)))
    line = CHECKED.rival * math.log(0.32) + CHECKED.words * 3 + CHECKED.offset
    line += CHECKED.disagreement * math.log(0.27) + CHECKED.narrowing * 1.5
    checked = replace(evidence, check=Check(agreement=0.75, narrowing=1.5))
    assert ambiguity(checked) == pytest.approx(1 / (1 + math.exp(-line)))


def prediction(sentence: str, cells: np.ndarray, height: int = 64) -> Prediction:
    return Prediction.from_output(
        ModelOutput(np.log(cells / (1 - cells))[None]),
        sentence=sentence,
        image=np.zeros((height, 64, 3), dtype=np.uint8),
        letterbox=Letterbox(height, 64, 64),
        threshold=0.5,
    )


def test_predictions_tell_their_ambiguity():
    one = prediction("the star", grid((2, 2, 0.9)))
    two = prediction("the star", grid((2, 2, 0.9), (10, 10, 0.8)))
    told = prediction("the star left of the red ring", grid((2, 2, 0.9), (10, 10, 0.8)))
    assert one.ambiguity < two.ambiguity
    assert told.ambiguity < two.ambiguity
    assert two.check is None
    shaky, firm = (replace(two, check=Check(agreement=each, narrowing=1.0)) for each in (0.2, 0.95))
    assert firm.ambiguity < shaky.ambiguity


def test_what_lies_beside_the_image_is_no_rival():
    cells = grid((7, 2, 0.9), (1, 10, 0.9))  # the image covers rows 5 to 10
    whole, flat = (prediction("the star", cells, height) for height in (64, 24))
    assert flat.ambiguity < whole.ambiguity
