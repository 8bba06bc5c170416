"""The words for COCO's categories."""

import random
from collections import Counter

import pytest

from cris.data.expressions.nouns import plural_of
from cris.data.expressions.phrases import draw_phrase, with_article
from cris.data.expressions.synonyms import (
    BROADER,
    COCO,
    HELD_OUT,
    HELD_OUT_LIKE,
    MAY_BE_CALLED,
    SYNONYMS,
    Vocabulary,
)


def test_the_tables_are_about_the_80_categories():
    assert len(COCO) == 80
    assert SYNONYMS.keys() <= COCO
    assert {noun for nouns in BROADER.values() for noun in nouns} <= COCO
    assert MAY_BE_CALLED.keys() | {noun for nouns in MAY_BE_CALLED.values() for noun in nouns} <= COCO


def test_a_word_means_one_category_or_is_broader():
    words = Counter(word for others in SYNONYMS.values() for word in others)
    assert max(words.values()) == 1
    assert not words.keys() & (COCO | BROADER.keys())


def test_twenty_words_are_held_out_of_all_that_can_be_drawn():
    assert len(HELD_OUT) == 20
    assert set(HELD_OUT.values()) <= COCO
    vocabulary, draw = Vocabulary(COCO), random.Random(0)
    drawn = {
        word
        for noun in COCO
        for _ in range(300)
        for word in (
            vocabulary.draw(noun, draw, is_alone=True),
            vocabulary.draw(noun, draw, is_alone=False),
            vocabulary.draw_plural(noun, draw),
            vocabulary.draw_absent(noun, draw),
        )
    } | BROADER.keys()
    parts = {part for word in drawn for part in word.split()}
    assert not parts & (HELD_OUT.keys() | {plural_of(word) for word in HELD_OUT})
    assert set(HELD_OUT_LIKE.values()) <= parts, "the words that they are measured against are trained"


def test_a_category_keeps_its_name_most_often():
    vocabulary, draw = Vocabulary(COCO), random.Random(0)
    counts = Counter(vocabulary.draw("cell phone", draw, is_alone=True) for _ in range(2_000))
    assert counts.most_common(2)[0][0] == "cell phone"
    assert counts.most_common(2)[1][0] == "phone"
    assert set(counts) == {"cell phone", *SYNONYMS["cell phone"]}


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("dog", "a dog"),
        ("umbrella", "an umbrella"),
        ("utensil", "a utensil"),
        ("skis", "skis"),
        ("pair of skis", "a pair of skis"),
        ("sheep", "a sheep"),
        ("luggage", "luggage"),
        ("someone", "someone"),
    ],
)
def test_articles_are_those_of_english(noun, said):
    assert with_article(noun) == said


@pytest.mark.parametrize("kind", ["only", "biggest", "left", "second left", "clothing", "top right corner"])
def test_pronouns_take_neither_article_nor_adjective(kind):
    draw = random.Random(0)
    said = {draw_phrase(kind, "someone", draw, colour="red") for _ in range(200)}
    assert not any("the someone" in each or "a someone" in each for each in said)
    assert "someone" not in said or kind == "only"
