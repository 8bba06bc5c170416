"""Made sentences fit one annotated object, as told by a checker written apart from the rules."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cris.data.annotations.instances import read_instances
from cris.data.expressions import CategoryStats, Expression, Wishes, expressions_of
from cris.data.records import ObjectRecord
from cris.image import read_image
from cris.masks import encode_rle
from tests.property.expression_checker import Checker

HEIGHT, WIDTH = 120, 160
NOUNS = ("dog", "traffic_light", "knife", "person")
COLOURS = ((210, 20, 30), (40, 80, 220), (250, 250, 250), (10, 10, 10), (60, 150, 50))


@dataclass(frozen=True)
class Told:
    expression: Expression
    fitting: set[int]
    """What the checker finds."""
    crowded: set[str]


def told(folder: Path, seed: int) -> Iterator[Told]:
    """Every sentence made of the photographs."""
    instances = read_instances(folder / "instances.json")
    category_stats = CategoryStats.of(instances)
    wishes = Wishes(is_plural_wanted=True, is_no_target_wanted=True, seed=seed)
    for info in instances.images.values():
        objects = [each.object(info) for each in instances.of_image(info.id)]
        image = read_image(folder / "images" / info.file_name)
        checker = Checker(objects, image)
        crowded = {each.category for each in objects if each.is_crowd}
        for expression in expressions_of(objects, image, category_stats, wishes, info.id):
            yield Told(expression, checker.fitting(expression.sentence), crowded)


@pytest.fixture(scope="module")
def of_photographs(shared_real: Path) -> list[Told]:
    return list(told(shared_real, seed=0))


def test_no_other_object_of_a_photograph_fits(of_photographs, prove):
    for each in of_photographs:
        assert each.fitting == set(each.expression.object_ids), each
    prove.figure(
        "own images: sentences made of 93 photographs that fit their objects alone",
        f"{len(of_photographs)} of {len(of_photographs)}",
    )


def test_photographs_give_250_sentences_about_one_object(of_photographs):
    kinds = Counter(each.expression.kind for each in of_photographs if len(each.expression.object_ids) == 1)
    assert kinds.total() >= 250
    assert {"only", "left", "right", "middle", "biggest", "smallest", "colour", "next to"} <= set(kinds)


def test_nothing_is_said_of_categories_with_crowds(of_photographs):
    crowded = [each for each in of_photographs if each.crowded]
    assert crowded
    for each in crowded:
        assert not any(noun in each.expression.sentence for noun in each.crowded), each


def test_plural_and_no_target_sentences_come_when_asked_for(of_photographs):
    counts = Counter(min(2, len(each.expression.object_ids)) for each in of_photographs)
    assert counts[0] >= 50
    assert counts[2] >= 10


def test_of_partly_annotated_photographs_only_complete_categories_are_named(shared_real):
    instances = read_instances(shared_real / "instances.json")
    category_stats = CategoryStats.of(instances)
    wishes = Wishes(is_plural_wanted=True, is_no_target_wanted=True)
    named = set()
    for info in instances.images.values():
        objects = [each.object(info) for each in instances.of_image(info.id)]
        image = read_image(shared_real / "images" / info.file_name)
        people = {each.id for each in objects if each.category == "person"}
        for expression in expressions_of(objects, image, category_stats, wishes, info.id, ("person", "car")):
            assert expression.object_ids, expression
            assert set(expression.object_ids) <= people, "a car may be taken for a bus that is not annotated"
            named.add(expression.kind)
    assert {"only", "left"} <= named
    assert not named & {"next to", "left of", "right of"}, "no landmark is known to be alone"


def rectangles() -> st.SearchStrategy[list[tuple[int, int, int, int, int, int]]]:
    """Noun, colour, left, top, width, height."""
    return st.lists(
        st.tuples(
            st.integers(0, len(NOUNS) - 1),
            st.integers(0, len(COLOURS) - 1),
            st.integers(0, WIDTH - 20),
            st.integers(0, HEIGHT - 20),
            st.integers(8, 60),
            st.integers(8, 60),
        ),
        min_size=1,
        max_size=8,
    )


def drawn(boxes: list[tuple[int, int, int, int, int, int]]) -> tuple[list[ObjectRecord], np.ndarray]:
    """Rectangles, of which later ones cover earlier ones."""
    image = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
    owners = np.full((HEIGHT, WIDTH), -1)
    for number, (_, colour, left, top, width, height) in enumerate(boxes):
        image[top : top + height, left : left + width] = COLOURS[colour]
        owners[top : top + height, left : left + width] = number
    objects = [
        ObjectRecord(
            id=number,
            category=NOUNS[noun],
            box=(float(left), float(top), float(width), float(height)),
            rle=encode_rle(owners == number),
            area=float((owners == number).sum()),
            is_crowd=False,
        )
        for number, (noun, _, left, top, width, height) in enumerate(boxes)
    ]
    return objects, image


@settings(max_examples=150)
@given(boxes=rectangles(), seed=st.integers(0, 999))
def test_no_other_rectangle_fits(boxes, seed):
    objects, image = drawn(boxes)
    checker = Checker(objects, image)
    category_stats = CategoryStats(numerous=frozenset(), noticed=("dog", "person", "boat"))
    wishes = Wishes(is_plural_wanted=True, is_no_target_wanted=True, seed=seed)
    for expression in expressions_of(objects, image, category_stats, wishes, 7):
        assert checker.fitting(expression.sentence) == set(expression.object_ids), expression


def test_the_checker_finds_second_objects():
    objects, image = drawn([(0, 0, 10, 40, 20, 20), (0, 1, 60, 40, 21, 20), (0, 0, 110, 40, 40, 40)])
    checker = Checker(objects, image)
    assert checker.fitting("the dog") == {0, 1, 2}
    assert checker.fitting("smallest dog") == {0, 1}
    assert checker.fitting("red dog") == {0, 2}
    assert checker.fitting("the dog on the left") == {0, 1}
    assert checker.fitting("second dog from the right") == {1}
    assert checker.fitting("both dogs") == set()
    assert checker.fitting("all the dogs") == {0, 1, 2}
    assert checker.fitting("the cat") == set()
