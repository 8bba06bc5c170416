"""Many varied sentences about an image's things, for training: more words, more phrasings, wider limits."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cris.data.expressions import contacts, rules
from cris.data.expressions.clothing import clothing_colour
from cris.data.expressions.colours import Palette, clear_colour
from cris.data.expressions.nouns import is_kind_of
from cris.data.expressions.phrases import draw_mark, draw_phrase
from cris.data.expressions.synonyms import BROADER, broader_words, draw_plural, draw_word
from cris.data.expressions.view import Clarity, Thing
from cris.data.expressions.wording import NUMBERS, can_be_counted

CLARITY = Clarity(
    min_area=0.003,
    min_area_at_border=0.005,
    min_area_at_corner=0.02,
    max_area=0.97,
    min_side=0.04,
    min_depth_at_border=0.05,
    min_wholeness=0.5,
    max_covered=0.4,
)
"""A model may learn from things that are harder to see than those it is measured on."""
MARGINS = rules.Margins(
    aside={"x": 0.04, "y": 0.08},
    max_overlap={"x": 0.75, "y": 0.5},
    area_ratio=1.5,
    box_ratio=1.25,
    row_ratio=8.0,
)
MOST_ALIKE = 20
"""Things of a word in an image beyond which annotators tire and leave some out."""
MOST_TOGETHER = 12
"""Things that one plural means at most."""
SEEN_TOGETHER = 0.9
"""Share of the area of several things that those make up which are clear, if a plural means them."""
SAME_THING = 0.5
"""Overlap from which on two masks of a word may be one thing annotated twice."""
CLEAR_COLOUR = 0.45
"""Share of a thing's pixels that have its colour."""
MOST_OF_A_KIND = 4
"""Sentences on a thing that say the same of it."""
BROADER_SHARE = 0.12
"""Share of sentences with each word that is broader than a category."""
COLOURED_SHARE = 0.15
"""Share of sentences that add the thing's colour though they need it not."""
RIDDEN = frozenset({"motorcycle", "bicycle", "horse", "elephant", "skateboard", "surfboard", "snowboard"})
SEATS = frozenset({"bench", "chair", "couch"})
WORN = frozenset({"tie", "backpack"})
HELD = contacts.CARRIED - WORN - RIDDEN - {"skis", "suitcase", "book", "laptop"}
ROLES = {
    "skis": ("skier",),
    "snowboard": ("snowboarder",),
    "skateboard": ("skateboarder", "skater"),
    "surfboard": ("surfer",),
    "tennis racket": ("tennis player",),
    "baseball bat": ("batter",),
    "motorcycle": ("rider", "motorcyclist", "biker"),
    "bicycle": ("cyclist",),
    "horse": ("rider",),
}
"""Category that a person has or is on → words for that person."""


@dataclass(frozen=True, slots=True)
class Way:
    """Something that tells a thing from all others of its word."""

    kind: str
    landmark: str = ""
    """Category of the other thing that is named, if any."""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """All things of the image that a word means."""

    noun: str
    """Of a category, which stands for its synonyms too, or a word broader than that."""
    things: list[Thing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence, and all that it means."""

    things: tuple[Thing, ...]
    kind: str
    sentence: str


def said_for_training(
    groups: Mapping[str, list[Thing]],
    palette: Palette,
    draw: random.Random,
    *,
    most: int,
    is_complete: bool,
    is_composed: bool = False,
) -> list[Said]:
    """Return sentences about single things, `most` of each at most, and about several.

    `groups` are things by category; words broader than these are used where all categories are complete. In
    an image that is composed, nothing is said of depth, nor of what things are on or people have with them.
    """
    ways: dict[int, list[tuple[Named, list[Way]]]] = {}
    things: dict[int, Thing] = {}
    said: list[Said] = []
    for named in _named(groups, is_complete=is_complete):
        found: dict[int, list[Way]] = {}
        for way, thing in _ways(named, groups, palette, is_composed=is_composed):
            found.setdefault(thing.id, []).append(way)
            things[thing.id] = thing
        for thing_id, each in found.items():
            ways.setdefault(thing_id, []).append((named, each))
        said.extend(_plurals(named, draw))
    for thing_id, choices in sorted(ways.items()):
        said.extend(_sentences(things[thing_id], choices, groups, palette, draw, most))
    return _unambiguous(said)


def _named(groups: Mapping[str, list[Thing]], *, is_complete: bool) -> Iterator[Named]:
    """Yield what words mean in the image, as far as that is known and can be told apart."""
    for noun, group in sorted(groups.items()):
        if not any(is_kind_of(other, noun) for other in groups):
            yield Named(noun, group)
    if is_complete:
        for word in sorted({word for noun in groups for word in broader_words(noun)}):
            yield Named(word, [thing for noun in BROADER[word] for thing in groups.get(noun, ())])


def _is_usable(named: Named) -> bool:
    things = named.things
    return (
        (len(things) == 1 or (len(things) <= MOST_ALIKE and can_be_counted(named.noun)))
        and not any(thing.is_crowd for thing in things)
        and not any(
            rules.overlap(a, b) >= SAME_THING and a.noun == b.noun
            for place, a in enumerate(things)
            for b in things[place + 1 :]
        )
    )


def _ways(
    named: Named, groups: Mapping[str, list[Thing]], palette: Palette, *, is_composed: bool
) -> Iterator[tuple[Way, Thing]]:
    if not _is_usable(named):
        return
    group = named.things
    for kind, thing in (
        *rules.only(group),
        *rules.extremes(group, MARGINS),
        *rules.places(group),
        *rules.rows(group, MARGINS),
        *rules.sizes(group, MARGINS, is_numerous=False),
        *(() if is_composed else rules.depths(group)),
    ):
        if thing.is_clear:
            yield Way(kind), thing
    others = {
        noun: each
        for noun, each in groups.items()
        if not any(thing in group or thing.is_crowd for thing in each)
    }
    landmarks = sorted(
        (each[0] for each in others.values() if len(each) == 1 and each[0].is_clear),
        key=lambda thing: (-thing.area, thing.id),
    )
    for kind, thing, landmark in (*rules.neighbours(group, landmarks), *rules.beside(group, landmarks)):
        if thing.is_clear:
            yield Way(kind, landmark.noun), thing
    for thing in group:
        if thing.is_clear:
            rest = [other for other in group if other is not thing]
            if colour := clear_colour(palette, thing, rest, CLEAR_COLOUR):
                yield Way("colour", colour=colour), thing
            if named.noun == "person" and (colour := clothing_colour(palette, thing, rest)):
                yield Way("clothing", colour=colour), thing
    if is_composed:
        return
    for kind, thing, noun in contacts.on_top(group, others):
        if thing.is_clear:
            yield from ((way, thing) for way in _on(named.noun, kind, noun))
    if named.noun == "person":
        for _, thing, noun in contacts.carried(group, others):
            if thing.is_clear:
                yield Way("wearing" if noun in WORN else "holding" if noun in HELD else "with", noun), thing
                if noun in ROLES:
                    yield Way("role", noun), thing


def _on(word: str, kind: str, noun: str) -> Iterator[Way]:
    if word != "person":
        yield Way(kind, noun)
        return
    yield Way("riding" if noun in RIDDEN else "sitting" if noun in SEATS else kind, noun)
    if noun in ROLES:
        yield Way("role", noun)


def _sentences(
    thing: Thing,
    choices: Sequence[tuple[Named, Sequence[Way]]],
    groups: Mapping[str, list[Thing]],
    palette: Palette,
    draw: random.Random,
    most: int,
) -> Iterator[Said]:
    """Yield different sentences on the thing, of all kinds alike as far as they go."""
    weights = [BROADER_SHARE if named.noun in BROADER else 1.0 for named, _ in choices]
    own_colour = clear_colour(palette, thing, [])
    used: dict[str, int] = {}
    made: set[str] = set()
    for _ in range(4 * most):
        if len(made) == most:
            return
        named, ways = draw.choices(choices, weights)[0]
        way = draw.choice(ways)
        if used.get(way.kind, 0) == MOST_OF_A_KIND:
            continue
        noun = draw_word(named.noun, draw, is_alone=len(named.things) == 1)
        if way.kind == "role":
            noun = draw.choice(ROLES[way.landmark])
        elif own_colour and way.kind not in ("colour", "clothing") and draw.random() < COLOURED_SHARE:
            noun = f"{own_colour} {noun}"
        sentence = draw_phrase(
            way.kind, noun, draw, mark=_mark(way.landmark, groups, draw), colour=way.colour
        )
        sentence = _decorated(sentence, draw)
        if sentence not in made:
            made.add(sentence)
            used[way.kind] = used.get(way.kind, 0) + 1
            yield Said(things=(thing,), kind=way.kind, sentence=sentence)


def _mark(noun: str, groups: Mapping[str, list[Thing]], draw: random.Random) -> str:
    if not noun:
        return ""
    return draw_mark(draw_word(noun, draw, is_alone=len(groups[noun]) == 1), draw)


def _plurals(named: Named, draw: random.Random) -> Iterator[Said]:
    things = named.things
    clear = sum(thing.area for thing in things if thing.is_clear)
    if (
        not 2 <= len(things) <= MOST_TOGETHER
        or not _is_usable(named)
        or clear < SEEN_TOGETHER * sum(thing.area for thing in things)
    ):
        return
    kinds = ["all", "all"]
    if len(things) == 2:
        kinds = ["both", "both", "all"]
    elif len(things) < len(NUMBERS):
        kinds.append("number")
    made: set[str] = set()
    for _ in range(2 if named.noun in BROADER else 6):
        kind = draw.choice(kinds)
        nouns = draw_plural(named.noun, draw)
        number = NUMBERS[len(things)] if kind == "number" else ""
        sentence = draw_phrase(kind, named.noun, draw, nouns=nouns, number=number)
        if sentence not in made:
            made.add(sentence)
            yield Said(things=tuple(things), kind=kind, sentence=sentence)


def _decorated(sentence: str, draw: random.Random) -> str:
    """Return the sentence as a request now and then, or with a full stop."""
    chance = draw.random()
    if chance < 0.04 and sentence.startswith(("the ", "a ", "an ")):
        return f"{draw.choice(('find', 'find', 'show', 'segment', 'select'))} {sentence}"
    return f"{sentence}." if chance > 0.95 else sentence


def _unambiguous(said: Sequence[Said]) -> list[Said]:
    """Return the sentences that are said of one meaning only."""
    meanings: dict[str, set[tuple[int, ...]]] = {}
    for each in said:
        meanings.setdefault(each.sentence.rstrip("."), set()).add(tuple(thing.id for thing in each.things))
    return [each for each in said if len(meanings[each.sentence.rstrip(".")]) == 1]
