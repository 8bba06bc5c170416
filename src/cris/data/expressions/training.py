"""Many varied sentences about an image's things, for training: more words, more phrasings, wider limits."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cris.data.expressions import contacts, rules
from cris.data.expressions.clothing import clothing_colour
from cris.data.expressions.colours import Palette, clear_colour
from cris.data.expressions.expression import Expression
from cris.data.expressions.nouns import is_kind_of
from cris.data.expressions.phrases import draw_mark, draw_phrase
from cris.data.expressions.synonyms import BROADER, Vocabulary
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
"""Limits for training, wider than for evaluation: a model may learn from things that are harder to see."""
MARGINS = rules.Margins(
    aside={"x": 0.04, "y": 0.08},
    max_overlap={"x": 0.75, "y": 0.5},
    area_ratio=1.5,
    box_ratio=1.25,
    row_ratio=8.0,
)
MOST_ALIKE = 20
"""Number of things of a word in an image beyond which annotators tire and leave some out."""
MOST_TOGETHER = 12
"""Largest number of things that one plural means."""
SEEN_TOGETHER = 0.9
"""Least share of the area of several things that the clear ones make up, if a plural means them."""
CLEAR_COLOUR = 0.45
"""Least share of a thing's pixels that have its colour."""
MOST_OF_A_KIND = 4
"""Largest number of sentences that say the same about a thing."""
BROADER_SHARE = 0.12
"""Share of sentences with each word that is broader than a category."""
COLOURED_SHARE = 0.15
"""Share of sentences that add the thing's colour though it is not needed."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingContext:
    """An image's known things and the words for them."""

    groups: Mapping[str, list[Thing]]
    """Category → its things."""
    palette: Palette
    vocabulary: Vocabulary
    is_complete: bool
    """True if things of all categories are annotated, so that a word for several of them may be used."""
    is_composed: bool
    """True if things come from several photographs, so that neither depth nor contact is told."""


@dataclass(frozen=True, slots=True)
class Named:
    """All things of the image that a word means."""

    noun: str
    """Noun for a category, which stands for its synonyms too, or a word broader than that."""
    things: list[Thing]


@dataclass(frozen=True, slots=True)
class Way:
    """Distinction of a thing from all others that its word means."""

    kind: str
    landmark: str = ""
    """Category of the other thing that is named, if any."""
    colour: str = ""


def varied_expressions(scene: TrainingContext, draw: random.Random, *, most: int) -> list[Expression]:
    """Return sentences about single things, `most` of each at most, and about several."""
    ways: dict[Thing, list[tuple[Named, list[Way]]]] = {}
    expressions: list[Expression] = []
    for named in _named(scene):
        found: dict[Thing, list[Way]] = {}
        for way, thing in (*_places(named, scene), *_relations(named, scene), *_colours(named, scene)):
            if thing.is_clear:
                found.setdefault(thing, []).append(way)
        for thing, each in found.items():
            ways.setdefault(thing, []).append((named, each))
        expressions.extend(_plurals(named, scene, draw))
    for thing in sorted(ways, key=lambda thing: thing.id):
        expressions.extend(_sentences(thing, ways[thing], scene, draw, most))
    return _unambiguous(expressions)


def _named(scene: TrainingContext) -> Iterator[Named]:
    """Yield the meanings of words in the image, as far as they are known and can be told apart."""
    groups = scene.groups
    found = [
        Named(noun, group)
        for noun, group in sorted(groups.items())
        if not any(is_kind_of(other, noun) for other in groups)
    ]
    if scene.is_complete:
        for word in sorted({word for noun in groups for word in scene.vocabulary.broader(noun)}):
            found.append(Named(word, [thing for noun in BROADER[word] for thing in groups.get(noun, ())]))
    for named in found:
        things = named.things
        if (
            (len(things) == 1 or (len(things) <= MOST_ALIKE and can_be_counted(named.noun)))
            and not any(thing.is_crowd for thing in things)
            and not rules.is_doubled(things)
        ):
            yield named


def _places(named: Named, scene: TrainingContext) -> Iterator[tuple[Way, Thing]]:
    """Yield things that stand out by their place or size."""
    group = named.things
    for kind, thing in (
        *rules.only(group),
        *rules.extremes(group, MARGINS),
        *rules.places(group),
        *rules.rows(group, MARGINS),
        *rules.sizes(group, MARGINS, is_numerous=False),
        *(() if scene.is_composed else rules.depths(group)),
    ):
        yield Way(kind), thing


def _relations(named: Named, scene: TrainingContext) -> Iterator[tuple[Way, Thing]]:
    """Yield things that stand out by a thing of another category."""
    group = named.things
    others = {
        noun: each
        for noun, each in scene.groups.items()
        if not any(thing in group or thing.is_crowd for thing in each)
    }
    landmarks = sorted(
        (each[0] for each in others.values() if len(each) == 1 and each[0].is_clear),
        key=lambda thing: (-thing.area, thing.id),
    )
    for kind, thing, landmark in (*rules.neighbours(group, landmarks), *rules.beside(group, landmarks)):
        yield Way(kind, landmark.noun), thing
    if scene.is_composed:
        return
    is_person = named.noun == "person"
    for thing, noun in contacts.on_top(group, others):
        if is_person and noun in ROLES:
            yield Way("role", noun), thing
        is_ridden, is_seat = is_person and noun in RIDDEN, is_person and noun in SEATS
        yield Way("riding" if is_ridden else "sitting" if is_seat else "on", noun), thing
    if is_person:
        for thing, noun in contacts.carried(group, others):
            if noun in ROLES:
                yield Way("role", noun), thing
            yield Way("wearing" if noun in WORN else "holding" if noun in HELD else "with", noun), thing


def _colours(named: Named, scene: TrainingContext) -> Iterator[tuple[Way, Thing]]:
    """Yield things that stand out by their colour, or that of their clothes."""
    for thing in named.things:
        rest = [other for other in named.things if other is not thing]
        if thing.is_clear and (colour := clear_colour(scene.palette, thing, rest, CLEAR_COLOUR)):
            yield Way("colour", colour=colour), thing
        if thing.is_clear and named.noun == "person":
            colour = clothing_colour(scene.palette, thing, rest)
            if colour is not None:
                yield Way("clothing", colour=colour), thing


def _sentences(
    thing: Thing,
    choices: Sequence[tuple[Named, Sequence[Way]]],
    scene: TrainingContext,
    draw: random.Random,
    most: int,
) -> Iterator[Expression]:
    """Yield distinct sentences about the thing, of all kinds alike as far as they go."""
    weights = [BROADER_SHARE if named.noun in BROADER else 1.0 for named, _ in choices]
    own_colour = clear_colour(scene.palette, thing, [])
    counts: Counter[str] = Counter()
    made: set[str] = set()
    for _ in range(4 * most):
        if len(made) == most:
            return
        named, ways = draw.choices(choices, weights)[0]
        way = draw.choice(ways)
        if counts[way.kind] == MOST_OF_A_KIND:
            continue
        noun = scene.vocabulary.draw(named.noun, draw, is_alone=len(named.things) == 1)
        if way.kind == "role":
            noun = draw.choice(ROLES[way.landmark])
        elif own_colour and way.kind != "colour" and draw.random() < COLOURED_SHARE:
            noun = f"{own_colour} {noun}"
        mark = _mark(way.landmark, scene, draw) if way.landmark else ""
        sentence = _decorated(draw_phrase(way.kind, noun, draw, mark=mark, colour=way.colour), draw)
        if sentence not in made:
            made.add(sentence)
            counts[way.kind] += 1
            yield Expression(object_ids=(thing.id,), kind=way.kind, sentence=sentence)


def _mark(noun: str, scene: TrainingContext, draw: random.Random) -> str:
    return draw_mark(scene.vocabulary.draw(noun, draw, is_alone=len(scene.groups[noun]) == 1), draw)


def _plurals(named: Named, scene: TrainingContext, draw: random.Random) -> Iterator[Expression]:
    things = named.things
    clear = sum(thing.area for thing in things if thing.is_clear)
    if (
        not 2 <= len(things) <= MOST_TOGETHER
        or not can_be_counted(named.noun)
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
        nouns = scene.vocabulary.draw_plural(named.noun, draw)
        number = NUMBERS[len(things)] if kind == "number" else ""
        sentence = draw_phrase(kind, named.noun, draw, nouns=nouns, number=number)
        if sentence not in made:
            made.add(sentence)
            object_ids = tuple(sorted(thing.id for thing in things))
            yield Expression(object_ids=object_ids, kind=kind, sentence=sentence)


def _decorated(sentence: str, draw: random.Random) -> str:
    """Return the sentence, sometimes as a request or with a full stop."""
    chance = draw.random()
    if chance < 0.04 and sentence.startswith(("the ", "a ", "an ")):
        return f"{draw.choice(('find', 'find', 'show', 'segment', 'select'))} {sentence}"
    return f"{sentence}." if chance > 0.95 else sentence


def _unambiguous(expressions: Sequence[Expression]) -> list[Expression]:
    """Return the expressions whose sentence has one meaning only."""
    meanings: dict[str, set[tuple[int, ...]]] = {}
    for each in expressions:
        meanings.setdefault(each.sentence.rstrip("."), set()).add(each.object_ids)
    return [each for each in expressions if len(meanings[each.sentence.rstrip(".")]) == 1]
