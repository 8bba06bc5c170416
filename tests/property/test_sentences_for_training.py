"""Sentences for training, as far as the independent checker knows their form, fit what they mean alone."""

import re
from collections import Counter
from pathlib import Path

import pytest

from cris.data.annotations.instances import read_instances
from cris.data.expressions import CategoryStats, Expression, Wishes, expressions_of
from cris.data.expressions.synonyms import BROADER, COCO, HELD_OUT, SYNONYMS
from cris.image import read_image
from tests.property.expression_checker import GRAMMAR, Checker

PEOPLE = (
    *("man", "woman", "guy", "girl", "boy", "kid", "child", "dude", "human", "individual", "figure"),
    *("someone", "somebody"),
)
NAMES = {
    **{noun: noun for noun in COCO},
    **{word: noun for noun, words in SYNONYMS.items() for word in words},
    **dict.fromkeys(PEOPLE, "person"),
}
"""Word → the category that it names."""
SYNONYM = re.compile(rf"\b(?:{'|'.join(sorted(NAMES, key=len, reverse=True))})\b")
NOT_IN_GRAMMAR = {"center", "both", "all", "number"}
"""Kinds that use words of the grammar in another sense, or plurals that it does not know."""


def plain(sentence: str) -> str:
    """The sentence as the grammar has it: with "the" and the categories' own names."""
    sentence = re.sub(r"^(?:find|show|segment|select) ", "", sentence.rstrip("."))
    sentence = re.sub(r" (?:in|of) (?:the|this) (?:image|image|photo)$", "", sentence)
    sentence = re.sub(r"^(?:an?|this|one) ", "the ", sentence)
    sentence = re.sub(r" an? ", " the ", sentence)
    return SYNONYM.sub(lambda found: NAMES[found[0]], sentence)


def is_known(sentence: str, names: set[str]) -> bool:
    """Whether the grammar takes the sentence for one about a thing of the image."""
    text = sentence.removeprefix("the ")
    for pattern, kind in GRAMMAR:
        if kind in NOT_IN_GRAMMAR:
            continue
        if match := re.fullmatch(pattern, text):
            found = match.groupdict()
            return (found.get("noun") or found.get("noun2")) in names
    return False


@pytest.fixture(scope="module")
def made(shared_real: Path) -> list[tuple[Expression, set[int] | None]]:
    """Every sentence of a third of the photographs, with what fits it where the checker knows its form."""
    instances = read_instances(shared_real / "instances.json")
    category_stats = CategoryStats.of(instances)
    wishes = Wishes(is_for_training=True, sentences_per_object=12)
    told: list[tuple[Expression, set[int] | None]] = []
    for info in list(instances.images.values())[::3]:
        objects = [each.object(info) for each in instances.of_image(info.id)]
        image = read_image(shared_real / "images" / info.file_name)
        checker = Checker(objects, image)
        names = {each.name for each in checker.seen}
        for expression in expressions_of(objects, image, category_stats, wishes, info.id):
            sentence = plain(expression.sentence)
            is_checked = expression.kind not in NOT_IN_GRAMMAR and is_known(sentence, names)
            told.append((expression, checker.fitting(sentence) if is_checked else None))
    return told


def test_no_other_object_fits(made, prove):
    checked = [(expression, fitting) for expression, fitting in made if fitting is not None]
    wrong = [each for each in checked if each[1] != set(each[0].object_ids)]
    prove.figure(
        "own images: sentences for training that fit their objects alone",
        f"{len(checked) - len(wrong)} of {len(checked)} of a known form",
    )
    assert len(checked) >= 300
    assert not wrong, wrong[:5]


def test_there_are_sentences_of_all_kinds_and_of_nothing(made):
    kinds = Counter(expression.kind for expression, _ in made)
    assert {"only", "left", "center", "clothing", "on", "holding", "both", "all", "front", "back"} <= set(
        kinds
    )
    assert 0.15 <= kinds["no_target"] / len(made) <= 0.25
    assert len({expression.sentence for expression, _ in made}) >= 0.5 * len(made)


def test_words_are_other_than_the_categories_but_never_held_out(made):
    words = {word for expression, _ in made for word in re.findall(r"[a-z]+", expression.sentence)}
    assert not words & HELD_OUT.keys()
    assert len(words & (NAMES.keys() - COCO)) >= 15
    assert words & BROADER.keys()
