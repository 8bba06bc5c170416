"""Every expression that surely means one thing of an image; on request also several things, or none."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from cris.data.expressions import rules, training
from cris.data.expressions.absent import absent_sentences
from cris.data.expressions.category_stats import CategoryStats
from cris.data.expressions.colours import Palette, clear_colour
from cris.data.expressions.expression import Expression
from cris.data.expressions.nouns import ILL_DRAWN, confusable_with, is_confusable, noun_of
from cris.data.expressions.synonyms import Vocabulary
from cris.data.expressions.view import Clarity, Thing, things_of
from cris.data.expressions.wording import can_be_counted, forms_of
from cris.data.records import ObjectRecord

NUMEROUS_AREA = 0.02
"""Least share of the image that a lone thing covers if more of its kind may be unannotated."""
MIXED_UP_AREA = 0.2
"""Multiple of a thing's area from which on another with a similar name keeps it from being a target."""
MOST_ALIKE = 8
"""Number of things of a noun in an image beyond which annotators tire and leave some out."""
MOST_TOGETHER = 6
"""Largest number of things that one plural means."""
ABSENT_SHARE = 0.25
"""Number of training sentences that mean nothing, as a share of an image's others."""
LEAST_ABSENT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Options for generated sentences."""

    sentences_per_object: int = 5
    """Largest number of sentences per object."""
    is_plural_wanted: bool = False
    """True to make sentences that mean several things, too."""
    is_no_target_wanted: bool = False
    """True to make one sentence per image that means nothing in it, too."""
    is_for_training: bool = False
    """True to make varied sentences, of several and of no things too, with less strict limits."""
    is_composed: bool = False
    """True if things come from several photographs, so that neither touch nor size tells how they relate."""
    seed: int = 0
    """Seed of the choice between forms and kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceContext:
    """An image's things by their nouns, as far as sentences may be made about them."""

    groups: dict[str, list[Thing]]
    palette: Palette
    category_stats: CategoryStats

    def meant(self, noun: str) -> list[Thing]:
        """Return the things of that noun that a sentence may mean, alone or among others of the kind."""
        group = self.groups[noun]
        is_countable = len(group) == 1 or (len(group) <= MOST_ALIKE and can_be_counted(noun))
        if not is_countable or noun in ILL_DRAWN:
            return []
        if any(thing.is_crowd for thing in group) or rules.is_doubled(group):
            return []
        others = [each for other in confusable_with(noun, self.groups) for each in self.groups[other]]
        if any(other.is_crowd for other in others):
            return []
        return [
            thing
            for thing in group
            if thing.is_clear
            and all(other.area < MIXED_UP_AREA * thing.area for other in others)
            and (len(group) > 1 or noun not in self.category_stats.numerous or thing.area >= NUMEROUS_AREA)
        ]


def expressions_of(
    objects: Sequence[ObjectRecord],
    image: UInt8[np.ndarray, "height width 3"],
    category_stats: CategoryStats,
    wishes: Wishes,
    picture_id: int,
    annotated: Sequence[str] | None = None,
    obscured: Collection[int] = (),
) -> list[Expression]:
    """Return sentences about an image, by the ids of their targets; the same for the same seed and image.

    Where only some categories are `annotated` completely, sentences name things of these alone, and none is
    said to be absent. Things whose ids are `obscured` are there, but no sentence means them.
    """
    groups: dict[str, list[Thing]] = {}
    for thing in things_of(objects, training.CLARITY if wishes.is_for_training else Clarity()):
        seen = replace(thing, is_clear=False) if thing.id in obscured else thing
        groups.setdefault(thing.noun, []).append(seen)
    groups.pop("", None)
    if annotated is not None:
        nouns = {noun_of(category) for category in annotated}
        unsure = category_stats.known - nouns
        groups = {
            noun: group
            for noun, group in groups.items()
            if noun in nouns and not confusable_with(noun, unsure)
        }
    context = SentenceContext(groups=groups, palette=Palette.of(image), category_stats=category_stats)
    if wishes.is_for_training:
        return _for_training(context, wishes, picture_id, is_complete=annotated is None)
    expressions: list[Expression] = []
    for noun in sorted(groups):
        found: dict[int, list[tuple[str, list[str]]]] = {}
        for kind, thing, forms in _found(context, noun):
            found.setdefault(thing.id, []).append((kind, forms))
        for thing_id, ways in sorted(found.items()):
            draw = random.Random(f"{wishes.seed} {picture_id} {thing_id}")
            for kind, forms in draw.sample(ways, min(len(ways), wishes.sentences_per_object)):
                expressions.append(Expression(object_ids=(thing_id,), kind=kind, sentence=draw.choice(forms)))
    draw = random.Random(f"{wishes.seed} {picture_id}")
    if wishes.is_plural_wanted:
        expressions.extend(_plurals(context, draw))
    if wishes.is_no_target_wanted and annotated is None:
        expressions.extend(_no_targets(context, draw))
    return expressions


def _for_training(
    context: SentenceContext, wishes: Wishes, picture_id: int, *, is_complete: bool
) -> list[Expression]:
    draw = random.Random(f"{wishes.seed} {picture_id}")
    vocabulary = Vocabulary(context.category_stats.known)
    scene = training.TrainingContext(
        groups=context.groups,
        palette=context.palette,
        vocabulary=vocabulary,
        is_complete=is_complete,
        is_composed=wishes.is_composed,
    )
    expressions = training.varied_expressions(scene, draw, most=wishes.sentences_per_object)
    if is_complete:
        count = max(LEAST_ABSENT, round(ABSENT_SHARE * len(expressions)))
        expressions += [
            Expression(object_ids=(), kind="no_target", sentence=sentence)
            for sentence in absent_sentences(context.groups, context.palette, vocabulary, draw, count)
        ]
    return expressions


def _found(context: SentenceContext, noun: str) -> Iterator[tuple[str, Thing, list[str]]]:
    """Yield kind, thing and forms of everything that stands out among the things of that noun."""
    group = context.groups[noun]
    meant = context.meant(noun)
    is_numerous = noun in context.category_stats.numerous
    for kind, thing in (
        *rules.only(group),
        *rules.extremes(group),
        *rules.rows(group),
        *rules.sizes(group, is_numerous=is_numerous),
    ):
        if thing in meant:
            yield kind, thing, forms_of(kind, noun)
    landmarks = _landmarks(context, noun)
    for kind, thing, landmark in (*rules.neighbours(group, landmarks), *rules.beside(group, landmarks)):
        if thing in meant:
            yield kind, thing, forms_of(kind, noun, landmark=landmark.noun)
    for thing in meant:
        others = [other for other in group if other is not thing]
        colour = clear_colour(context.palette, thing, others)
        if colour is not None:
            yield "colour", thing, forms_of("colour", noun, colour=colour)


def _landmarks(context: SentenceContext, noun: str) -> list[Thing]:
    """Return things of other nouns that "the …" means alone, largest first."""
    landmarks = [
        group[0]
        for other, group in context.groups.items()
        if len(group) == 1 and not is_confusable(noun, other) and noun != other and context.meant(other)
    ]
    return sorted(landmarks, key=lambda thing: (-thing.area, thing.id))


def _plurals(context: SentenceContext, draw: random.Random) -> Iterator[Expression]:
    for noun, group in sorted(context.groups.items()):
        if (
            2 <= len(group) <= MOST_TOGETHER
            and len(context.meant(noun)) == len(group)
            and can_be_counted(noun)
        ):
            kind = "both" if len(group) == 2 else "all"
            sentence = draw.choice(forms_of(kind, noun, number=len(group)))
            yield Expression(
                object_ids=tuple(sorted(thing.id for thing in group)), kind=kind, sentence=sentence
            )


def _no_targets(context: SentenceContext, draw: random.Random) -> Iterator[Expression]:
    """Yield one sentence: about what is nowhere in the image, or about a third one where there are two."""
    absent = [
        noun
        for noun in context.category_stats.noticed
        if noun not in context.groups and not confusable_with(noun, context.groups)
    ]
    pairs = [
        noun
        for noun, group in sorted(context.groups.items())
        if len(group) == 2
        and noun not in context.category_stats.numerous
        and len(context.meant(noun)) == 2
        and can_be_counted(noun)
    ]
    ways = [forms_of(draw.choice(("third left", "third right")), noun) for noun in pairs]
    if absent:
        noun = draw.choice(absent)
        ways.append(forms_of(draw.choice(("only", "left", "biggest", "right")), noun))
    if ways:
        yield Expression(object_ids=(), kind="no_target", sentence=draw.choice(draw.choice(ways)))
