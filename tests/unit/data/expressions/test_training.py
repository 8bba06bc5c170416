"""Sentences for training: what they say is true of what they mean, and of nothing else."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from cris.data.expressions import CategoryStats, Expression, Wishes, expressions_of
from cris.data.expressions.synonyms import HELD_OUT
from cris.data.records import ObjectRecord
from cris.masks import encode_rle

HEIGHT, WIDTH = 240, 320
GREY, RED, BLUE, SKIN = (120, 120, 120), (210, 20, 30), (40, 80, 220), (230, 170, 120)
COCO = frozenset(
    {"person", "dog", "cat", "horse", "cow", "dining table", "bowl", "tie", "motorcycle", "hot dog"}
)
Box = tuple[int, int, int, int]


def drawn(
    *things: tuple[str, Box], colours: Iterable[tuple[Box, tuple[int, int, int]]] = ()
) -> tuple[list[ObjectRecord], np.ndarray]:
    """Rectangles given by category and left, top, width, height; later ones cover earlier ones."""
    image = np.full((HEIGHT, WIDTH, 3), GREY, dtype=np.uint8)
    owners = np.full((HEIGHT, WIDTH), -1)
    for number, (_, (left, top, width, height)) in enumerate(things):
        owners[top : top + height, left : left + width] = number
    for (left, top, width, height), colour in colours:
        image[top : top + height, left : left + width] = colour
    objects = [
        ObjectRecord(
            id=number,
            category=category,
            box=tuple(map(float, box)),
            rle=encode_rle(owners == number),
            area=float((owners == number).sum()),
            is_crowd=False,
        )
        for number, (category, box) in enumerate(things)
    ]
    return objects, image


def made(
    scene: tuple[list[ObjectRecord], np.ndarray],
    *,
    annotated: tuple[str, ...] | None = None,
    known: frozenset[str] = COCO,
    most: int = 12,
    seeds: int = 6,
) -> list[Expression]:
    """What several seeds make."""
    category_stats = CategoryStats(numerous=frozenset(), noticed=(), known=known)
    return [
        each
        for seed in range(seeds)
        for each in expressions_of(
            *scene,
            category_stats,
            Wishes(is_for_training=True, sentences_per_object=most, seed=seed),
            7,
            annotated,
        )
    ]


def said_of(expressions: list[Expression], *object_ids: int) -> set[str]:
    return {each.sentence.rstrip(".") for each in expressions if each.object_ids == object_ids}


def kinds_of(expressions: list[Expression], *object_ids: int) -> set[str]:
    return {each.kind for each in expressions if each.object_ids == object_ids}


def without_landmarks(sentences: list[str]) -> list[str]:
    """Each sentence up to the other thing that it names, if it does."""
    return [re.split(r" (?:next to|near|beside|by) ", each)[0] for each in sentences]


def test_the_same_seed_and_image_give_the_same_sentences():
    scene = drawn(("dog", (20, 100, 60, 60)), ("dog", (200, 100, 60, 60)))
    assert made(scene, seeds=1) == made(scene, seeds=1)
    assert len({tuple(made(scene, seeds=each)) for each in (1, 2)}) == 2


def test_one_thing_is_said_in_many_ways_but_not_more_than_asked_for():
    scene = drawn(("dog", (20, 100, 60, 60)))
    for most in (1, 3, 12):
        expressions = made(scene, most=most, seeds=1)
        sentences = [each.sentence for each in expressions if each.object_ids == (0,)]
        assert len(sentences) == len(set(sentences)) <= most
        assert max(Counter(each.kind for each in expressions if each.object_ids).values()) <= 4
    assert {"the dog", "dog", "a dog", "the animal"} <= said_of(made(scene, seeds=60), 0)


def test_a_person_alone_has_words_that_people_together_have_not():
    alone = said_of(made(drawn(("person", (40, 60, 50, 150))), seeds=40), 0)
    assert any("woman" in each for each in alone)
    assert "someone" in alone
    assert not any("the someone" in each or "a someone" in each for each in alone)
    together = made(drawn(("person", (40, 60, 50, 150)), ("person", (200, 60, 50, 150))), seeds=40)
    words = {word for each in together if each.object_ids for word in each.sentence.rstrip(".").split()}
    assert {"person", "people", "guy"} <= words
    assert not words & {"man", "woman", "boy", "girl", "kid", "child"}


def test_a_broader_word_counts_all_that_it_means():
    expressions = made(drawn(("dog", (20, 100, 60, 60)), ("cat", (220, 100, 60, 60))), seeds=40)
    assert not {"the animal", "animal", "the pet"} & said_of(expressions, 0)
    assert any("animal" in each and "left" in each for each in said_of(expressions, 0))
    assert any(re.search(r"\b(animals|pets)$", each) for each in said_of(expressions, 0, 1))


def test_categories_of_ones_own_have_no_other_words():
    scene = drawn(("dog", (20, 100, 60, 60)), ("dragon fly", (220, 100, 60, 60)))
    expressions = made(scene, known=frozenset({"dog", "dragon fly", "person"}), seeds=40)
    text = " ".join(each.sentence for each in expressions)
    assert "dragon fly" in text
    assert not re.search(r"\b(animal|pet|man|human)\b", text)


def test_what_names_a_kind_of_it_keeps_a_category_from_being_meant():
    expressions = made(drawn(("dog", (20, 100, 60, 60)), ("hot dog", (220, 100, 60, 60))))
    own = [re.split(" to the | of the | of a ", each)[0] for each in said_of(expressions, 0)]
    assert not any(re.search(r"\bdog\b", each) for each in own)
    assert any("animal" in each for each in own), "which a hot dog is not"
    assert any("hot dog" in each for each in said_of(expressions, 1))


def test_several_are_meant_together():
    two = drawn(("dog", (20, 100, 60, 60)), ("dog", (200, 100, 60, 60)))
    assert {"both dogs", "two dogs", "dogs", "all the dogs"} <= said_of(made(two, seeds=40), 0, 1)
    three = drawn(*(("dog", (20 + 90 * each, 100, 60, 60)) for each in range(3)))
    said = said_of(made(three, seeds=40), 0, 1, 2)
    assert "three dogs" in said
    assert not any("both" in each or "two" in each for each in said)


def test_the_nearer_thing_is_in_front():
    scene = drawn(("dog", (60, 60, 40, 40)), ("dog", (180, 120, 90, 90)))
    expressions = made(scene, seeds=40)
    assert "closest dog" in said_of(expressions, 1)
    assert "dog in back" in said_of(expressions, 0)
    assert "back" not in kinds_of(expressions, 1)


def test_a_corner_holds_one_thing():
    scene = drawn(("dog", (20, 20, 60, 50)), ("dog", (240, 170, 60, 50)))
    expressions = made(scene, seeds=20)
    assert "top left corner" in kinds_of(expressions, 0)
    assert "bottom right corner" in kinds_of(expressions, 1)
    assert any("bottom right" in each for each in said_of(expressions, 1))
    two_in_a_corner = drawn(("dog", (10, 20, 50, 50)), ("dog", (70, 20, 50, 50)))
    assert not any("corner" in each.kind for each in made(two_in_a_corner))


def test_the_middle_holds_one_thing():
    scene = drawn(("dog", (10, 100, 40, 50)), ("dog", (130, 100, 60, 50)), ("dog", (270, 100, 40, 50)))
    expressions = made(scene, seeds=20)
    assert "center" in kinds_of(expressions, 1)
    assert "center dog" in said_of(expressions, 1)
    two_in_the_middle = drawn(("dog", (100, 100, 50, 50)), ("dog", (170, 100, 50, 50)))
    assert not any(each.kind == "center" for each in made(two_in_the_middle))


def test_a_bowl_is_on_the_table_that_it_stands_on():
    scene = drawn(
        ("dining table", (40, 140, 240, 80)), ("bowl", (120, 100, 50, 45)), ("bowl", (10, 10, 50, 45))
    )
    assert any(re.search(r"on (the|a) (dining )?table", each) for each in said_of(made(scene, seeds=20), 1))
    assert "on" not in kinds_of(made(scene, seeds=20), 2)


def test_people_are_told_by_what_they_have_and_ride():
    rider, walker = ("person", (60, 40, 60, 110)), ("person", (240, 60, 40, 130))
    scene = drawn(rider, walker, ("motorcycle", (40, 140, 110, 70)), ("tie", (255, 90, 10, 40)))
    expressions = made(scene, seeds=40)
    assert {"riding", "role"} <= kinds_of(expressions, 0)
    assert any("riding" in each and "motorcycle" in each for each in said_of(expressions, 0))
    assert "wearing" in kinds_of(expressions, 1)
    assert not {"riding", "role", "on"} & kinds_of(expressions, 1)


@pytest.mark.parametrize("other", [None, BLUE, RED])
def test_clothes_tell_a_person_when_no_other_wears_their_colour(other):
    people = [("person", (60, 40, 60, 180))] + ([("person", (200, 40, 60, 180))] if other else [])
    colours = [((60, 40, 60, 30), SKIN), ((60, 70, 60, 90), RED)]
    colours += [((200, 70, 60, 90), other)] if other else []
    expressions = made(drawn(*people, colours=colours), seeds=40)
    assert ("clothing" in kinds_of(expressions, 0)) == (other != RED)
    if other != RED:
        assert any(
            re.search(r"\b(in|wearing|with) (a |the )?red\b", each) for each in said_of(expressions, 0)
        )
        assert not any("blue" in each for each in said_of(expressions, 0))


def test_bare_skin_is_no_orange_shirt():
    scene = drawn(("person", (60, 40, 60, 180)), colours=[((60, 40, 60, 180), SKIN)])
    assert "clothing" not in kinds_of(made(scene), 0)


def test_absent_things_are_a_fifth_of_a_complete_image_and_really_absent():
    scene = drawn(
        *(("dog", (20 + 75 * each, 100, 50, 50)) for each in range(4)), ("person", (100, 10, 50, 80))
    )
    expressions = made(scene, seeds=20)
    absent = [each.sentence for each in expressions if not each.object_ids]
    assert 0.1 <= len(absent) / len(expressions) <= 0.25
    meant = without_landmarks(absent)
    assert any("cat" in each for each in meant)
    assert not any(re.search(r"(?<!hot )\bdogs?\b|\banimal", each) for each in meant)
    nobody = [each for each in meant if re.search(r"\b(person|man|woman)\b", each)]
    assert nobody, "people in colours that nobody wears"
    assert all(re.search(r"\b(red|orange|yellow|green|blue|purple|pink)\b", each) for each in nobody)


def test_what_may_pass_for_the_present_thing_is_not_said_to_be_absent():
    scene = drawn(("couch", (40, 100, 200, 100)), ("truck", (10, 10, 60, 50)))
    known = frozenset({"couch", "truck", "chair", "car", "bed", "bus", "bench", "train"})
    absent = [each.sentence for each in made(scene, known=known, seeds=30) if not each.object_ids]
    meant = " ".join(without_landmarks(absent))
    assert not re.search(r"\b(chair|car|bed|couch|sofa|truck)\b", meant)
    assert re.search(r"\bbus\b", meant), "confusable, and yet surely absent"


def test_partly_annotated_images_name_complete_categories_and_nothing_absent():
    scene = drawn(("person", (60, 40, 60, 180)), ("dog", (200, 100, 60, 60)))
    expressions = made(scene, annotated=("person",), seeds=30)
    assert {each.object_ids for each in expressions} == {(0,)}
    text = " ".join(each.sentence for each in expressions)
    assert not re.search(r"\b(dog|animal|pet)\b", text)


def test_no_sentence_has_a_held_out_word():
    scenes = [
        drawn((category, (60, 40, 120, 120)), ("person", (220, 40, 50, 150)))
        for category in sorted(set(HELD_OUT.values()))
    ]
    known = frozenset(HELD_OUT.values())
    words = {
        word
        for scene in scenes
        for each in made(scene, known=known, seeds=30)
        for word in re.findall(r"[a-z]+", each.sentence)
    }
    assert not words & ({*HELD_OUT} | {f"{word}s" for word in HELD_OUT})
    assert {"sofa", "plane", "television"} <= words
