"""Sentences that mean nothing in an image, for training."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from cris.data.expressions.clothing import colours_nobody_wears
from cris.data.expressions.colours import NEAR, Palette
from cris.data.expressions.nouns import confusable_with, is_kind_of
from cris.data.expressions.phrases import draw_mark, draw_phrase
from cris.data.expressions.synonyms import MAY_BE_CALLED, draw_absent, draw_word
from cris.data.expressions.view import Thing

CONFUSABLE_SHARE = 0.3
"""Share of the sentences whose category is like one in the image."""
UNWORN_SHARE = 0.15
"""Share of the sentences about people in a colour that nobody wears, where that is known."""
MOST_PEOPLE = 4
"""People in an image beyond which it is not seen what they all wear."""
_KINDS = (
    *("only", "only", "only", "only", "only", "only", "left", "right", "left side", "right side", "leftmost"),
    *(
        "rightmost",
        "middle",
        "biggest",
        "smallest",
        "front",
        "back",
        "second left",
        "second right",
        "next to",
    ),
    "colour",
)


def absent_for_training(
    groups: Mapping[str, Sequence[Thing]],
    palette: Palette,
    known: Sequence[str],
    draw: random.Random,
    count: int,
) -> list[str]:
    """Return `count` different sentences, or fewer, of what is not in the image.

    `groups` are all its things by category, and `known` all categories that would be among them.
    """
    absent = [noun for noun in known if not _may_be_called(noun, groups)]
    if not absent:
        return []
    people = groups.get("person", ())
    unworn = colours_nobody_wears(palette, people) if 1 <= len(people) <= MOST_PEOPLE else []

    def draws() -> Iterator[str]:
        alike = [noun for noun in absent if confusable_with(noun, groups)]
        while True:
            if unworn and draw.random() < UNWORN_SHARE:
                noun = draw_word("person", draw, is_alone=len(people) == 1)
                yield draw_phrase("clothing", noun, draw, colour=draw.choice(unworn))
            else:
                noun = draw.choice(alike if alike and draw.random() < CONFUSABLE_SHARE else absent)
                yield _phrase(noun, groups, draw)

    return list(dict.fromkeys(islice(draws(), count)))


def _phrase(noun: str, groups: Mapping[str, Sequence[Thing]], draw: random.Random) -> str:
    kind = draw.choice(_KINDS)
    if noun == "person" and kind == "colour":
        kind = "clothing"
    landmarks = [each for each, things in sorted(groups.items()) if len(things) == 1]
    if kind == "next to" and not landmarks:
        kind = "only"
    mark = (
        draw_mark(draw_word(draw.choice(landmarks), draw, is_alone=True), draw) if kind == "next to" else ""
    )
    return draw_phrase(kind, draw_absent(noun, draw), draw, mark=mark, colour=draw.choice(list(NEAR)))


def _may_be_called(noun: str, groups: Mapping[str, Sequence[Thing]]) -> bool:
    """Return whether something in the image is of the category, or may pass for it in a person's eyes."""
    return (
        noun in groups
        or any(other in groups for other in MAY_BE_CALLED.get(noun, ()))
        or any(is_kind_of(other, noun) for other in groups)
    )
