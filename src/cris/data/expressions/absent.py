"""Sentences that mean nothing in an image, for training."""

import random
from collections.abc import Mapping, Sequence

from cris.data.expressions.clothing import colours_nobody_wears
from cris.data.expressions.colours import NEAR, Palette
from cris.data.expressions.nouns import confusable_with, is_kind_of
from cris.data.expressions.phrases import draw_mark, draw_phrase
from cris.data.expressions.synonyms import MAY_BE_CALLED, Vocabulary
from cris.data.expressions.view import Thing

CONFUSABLE_SHARE = 0.3
"""Share of sentences whose category resembles one in the image."""
UNWORN_SHARE = 0.15
"""Share of sentences about people in a colour that nobody wears, where that is known."""
MOST_PEOPLE = 4
"""Number of people in an image beyond which their clothes cannot all be seen."""
_KINDS = (
    *("only", "only", "only", "only", "only", "only", "left", "right", "left side", "right side"),
    *("leftmost", "rightmost", "middle", "biggest", "smallest", "front", "back", "second left"),
    *("second right", "next to", "colour"),
)


def absent_sentences(
    groups: Mapping[str, Sequence[Thing]],
    palette: Palette,
    vocabulary: Vocabulary,
    draw: random.Random,
    count: int,
) -> list[str]:
    """Return `count` distinct sentences, or fewer, that mean nothing in the image.

    `groups` are the image's things by category; everything that the vocabulary knows would be among them.
    """
    absent = [noun for noun in sorted(vocabulary.known) if noun and not _may_be_there(noun, groups)]
    if not absent:
        return []
    alike = [noun for noun in absent if confusable_with(noun, groups)]
    people = groups.get("person", ())
    unworn = colours_nobody_wears(palette, people) if 1 <= len(people) <= MOST_PEOPLE else []
    sentences: dict[str, None] = {}
    for _ in range(count):
        if unworn and draw.random() < UNWORN_SHARE:
            noun = vocabulary.draw("person", draw, is_alone=len(people) == 1)
            sentence = draw_phrase("clothing", noun, draw, colour=draw.choice(unworn))
        else:
            noun = draw.choice(alike if alike and draw.random() < CONFUSABLE_SHARE else absent)
            sentence = _sentence(noun, groups, vocabulary, draw)
        sentences[sentence] = None
    return list(sentences)


def _sentence(
    noun: str, groups: Mapping[str, Sequence[Thing]], vocabulary: Vocabulary, draw: random.Random
) -> str:
    kind, mark = draw.choice(_KINDS), ""
    landmarks = sorted(each for each, things in groups.items() if len(things) == 1)
    if kind == "colour" and noun == "person":
        kind = "clothing"
    elif kind == "next to" and landmarks:
        mark = draw_mark(vocabulary.draw(draw.choice(landmarks), draw, is_alone=True), draw)
    elif kind == "next to":
        kind = "only"
    word = vocabulary.draw_absent(noun, draw)
    return draw_phrase(kind, word, draw, mark=mark, colour=draw.choice(list(NEAR)))


def _may_be_there(noun: str, groups: Mapping[str, Sequence[Thing]]) -> bool:
    """Check whether something in the image is of the category, or may pass for it."""
    return (
        noun in groups
        or any(other in groups for other in MAY_BE_CALLED.get(noun, ()))
        or any(is_kind_of(other, noun) for other in groups)
    )
