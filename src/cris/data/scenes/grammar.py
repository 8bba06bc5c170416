"""Sentences about a layout, each with the objects that it fits."""

from collections.abc import Callable

from cris.data.scenes import words
from cris.data.scenes.draws import Draws
from cris.data.scenes.facts import SIDES, Facts, is_single, members
from cris.data.scenes.phrases import Description, Phrases

STANDARD_KINDS = (
    "category", "attribute", "size", "superlative", "ordinal", "relation", "two_hop", "negation",
)  # fmt: skip
KINDS = (*STANDARD_KINDS, "no_target", "plural", "ambiguous")
"""Kinds of expression; the last three exist only where a knob asks for them."""
KIND_WEIGHTS = (30, 29, 11, 16, 11, 18, 12, 8)
"""Weights of kinds, chosen so that the shares of docs/scenes.md come out although scenes may lack a kind."""
LONGEST = 16
"""Largest number of words of a sentence."""
Draft = tuple[str, int] | None
"""A sentence and the set of objects that it fits."""


class Grammar:
    """Generator of sentences about one layout and those of its objects that may be targets."""

    def __init__(self, facts: Facts, targets: int, draws: Draws) -> None:
        self.facts = facts
        self.targets = targets
        self.draws = draws
        self.phrases = Phrases(facts, draws)
        self._makers: dict[str, Callable[[int], Draft]] = {
            "category": self._category,
            "attribute": self._attribute,
            "size": self._size,
            "superlative": self._superlative,
            "ordinal": self._ordinal,
            "relation": self._relation,
            "two_hop": self._two_hop,
            "negation": self._negation,
            "plural": self._plural,
            "ambiguous": self._ambiguous,
            "no_target": self._no_target,
        }

    def standard(self) -> tuple[str, str, int] | None:
        """Return kind, sentence and the one object it fits; None when nothing can be said."""
        kinds, weights = list(STANDARD_KINDS), list(KIND_WEIGHTS)
        while kinds:
            kind = self.draws.weighted(kinds, weights)
            draft = self.of_kind(kind)
            if draft is not None:
                return kind, *draft
            del weights[kinds.index(kind)]
            kinds.remove(kind)
        return None

    def of_kind(self, kind: str) -> Draft:
        """Return a sentence of one kind about one or more possible targets; None when the scene has none."""
        tries = 1 if kind in ("category", "attribute", "size") else 4
        for target in self.draws.shuffled(list(members(self.targets))):
            for _ in range(tries):
                draft = self._makers[kind](target)
                if draft is not None and len(draft[0].split()) <= LONGEST:
                    sentence, objects = draft
                    if self.draws.chance(0.04):
                        sentence = sentence[0].upper() + sentence[1:]
                    return sentence, objects
        return None

    # Kinds: each returns None when its choices fit not exactly one object -----------------------------

    def _category(self, target: int) -> Draft:
        description = next(d for d in self.phrases.about(target) if d.names_category and not d.attributes)
        if not is_single(description.objects):
            return None
        return self.phrases.with_article(self.phrases.noun_phrase(description)), description.objects

    def _attribute(self, target: int) -> Draft:
        return self._described(target, lambda d: bool(d.attributes) and "size" not in d.attributes)

    def _size(self, target: int) -> Draft:
        return self._described(target, lambda d: "size" in d.attributes)

    def _described(self, target: int, accepts: Callable[[Description], bool]) -> Draft:
        adds_one = self.draws.chance(0.15)
        description = self.phrases.choose(
            target,
            lambda d: (
                accepts(d) and (self.phrases.is_shortest(d) or (adds_one and self.phrases.is_one_longer(d)))
            ),
        )
        if description is None:
            return None
        return self.phrases.with_article(
            self.phrases.noun_phrase(description, clauses=True)
        ), description.objects

    def _superlative(self, target: int) -> Draft:
        variant = self.draws.weighted(("size", "extreme", "region"), (45, 30, 25))
        description = self.phrases.shared(target, without="size" if variant == "size" else "")
        if description is None:
            return None
        if variant == "size":
            size = self.facts.items[target].size
            if size == "medium":
                size = self.draws.pick(("small", "large"))
            fitting = self.facts.by_size(description.objects, size, 0)
            template = self.draws.pick(words.SIZE_EXTREMES[size]) + " {np}"
        elif variant == "extreme":
            side = self.draws.pick(tuple(SIDES))
            fitting = self.facts.farthest(description.objects, side)
            template = self.draws.pick(words.EXTREMES[side])
        else:
            side = self.draws.pick(tuple(SIDES))
            fitting = self.facts.within(description.objects, side)
            template = self.draws.pick(words.REGIONS[side])
        if fitting != 1 << target:
            return None
        return self.phrases.with_article(template.format(np=self.phrases.noun_phrase(description))), fitting

    def _ordinal(self, target: int) -> Draft:
        if self.draws.chance(0.12):
            return self._size_ordinal(target)
        description = self.phrases.choose(target, lambda d: d.objects.bit_count() >= 3)
        if description is None:
            return None
        side = self.draws.pick(tuple(SIDES))
        ranked = self.facts.order(description.objects, side)
        if not ranked or ranked.index(target) >= min(len(ranked) - 1, len(words.ORDINALS)):
            return None
        place = ranked.index(target)
        if place == 0 and self.draws.chance(0.6):
            return None
        phrase = f"{words.ORDINALS[place]} {self.phrases.noun_phrase(description)}"
        return f"{self.phrases.with_article(phrase)} {self.draws.pick(words.FROM_SIDES[side])}", 1 << target

    def _size_ordinal(self, target: int) -> Draft:
        description = self.phrases.shared(target, without="size")
        size = self.draws.pick(("small", "large"))
        if description is None or self.facts.by_size(description.objects, size, 1) != 1 << target:
            return None
        phrase = (
            f"second {self.draws.pick(words.SIZE_EXTREMES[size])} {self.phrases.noun_phrase(description)}"
        )
        return self.phrases.with_article(phrase), 1 << target

    def _anchors(self, target: int, also_not: int = 0) -> list[int]:
        return list(members(self.facts.clear & ~(1 << target) & ~also_not))

    def _picked_by_relation(self, relation: str, objects: int, anchor: int) -> int:
        """Return the one object in this relation to the anchor, as a set; empty when unclear."""
        if relation == "nearest":
            return self.facts.nearest(objects, anchor)
        yes, maybe = self.facts.related(relation, anchor)
        return objects & yes if is_single(objects & yes) and objects & maybe == objects & yes else 0

    def _draw_relation(self) -> str:
        return self.draws.weighted(tuple(words.RELATIONS), (20, 20, 20, 20, 12, 8))

    def _relation(self, target: int) -> Draft:
        anchors, description = self._anchors(target), self.phrases.shared(target)
        if not anchors or description is None:
            return None
        relation, anchor = self._draw_relation(), self.draws.pick(anchors)
        if self._picked_by_relation(relation, description.objects, anchor) != 1 << target:
            return None
        reference = self.phrases.unique(anchor)
        if reference is None:
            return None
        phrase = self.phrases.with_article(self.phrases.noun_phrase(description))
        if relation in words.CONVERSES and self.draws.chance(0.12):
            converse = self.draws.pick(words.CONVERSES[relation])
            return f"{phrase} with {self.phrases.anchor(reference)} {converse}", 1 << target
        return f"{phrase} {self._related_to(relation, self.phrases.anchor(reference), 0.15)}", 1 << target

    def _related_to(self, relation: str, anchor: str, clause: float) -> str:
        that_is = f"{self.draws.pick(words.THAT_IS)} " if self.draws.chance(clause) else ""
        return f"{that_is}{self.draws.pick(words.RELATIONS[relation])} {anchor}"

    def _two_hop(self, target: int) -> Draft:
        anchors, description = self._anchors(target), self.phrases.shared(target)
        if not anchors or description is None:
            return None
        relation, anchor = self._draw_relation(), self.draws.pick(anchors)
        if self._picked_by_relation(relation, description.objects, anchor) != 1 << target:
            return None
        reference = self._singled_out(anchor, target)
        if reference is None:
            return None
        phrase = self.phrases.with_article(self.phrases.noun_phrase(description))
        return f"{phrase} {self._related_to(relation, reference, 0.1)}", 1 << target

    def _singled_out(self, anchor: int, target: int) -> str | None:
        """Return a noun phrase for an anchor that only a superlative or another object can identify."""
        description = self.phrases.shared(anchor)
        if description is None:
            return None
        if self.draws.chance(0.35):
            side = self.draws.pick(tuple(SIDES))
            if self.facts.farthest(description.objects, side) != 1 << anchor:
                return None
            template = self.draws.pick(words.EXTREMES[side][:2])
            return f"the {template.format(np=self.phrases.noun_phrase(description))}"
        others = self._anchors(target, also_not=1 << anchor)
        if not others:
            return None
        relation, other = self._draw_relation(), self.draws.pick(others)
        if self._picked_by_relation(relation, description.objects, other) != 1 << anchor:
            return None
        reference = self.phrases.unique(other)
        if reference is None:
            return None
        phrase = self.phrases.noun_phrase(description)
        return f"the {phrase} {self._related_to(relation, self.phrases.anchor(reference), 1.0)}"

    def _negation(self, target: int) -> Draft:
        attribute = self.draws.weighted(("colour", "texture", "size", "category"), (40, 30, 12, 18))
        description = self.phrases.choose(
            target,
            lambda d: (
                not is_single(d.objects)
                and attribute not in d.attributes
                and (bool(d.attributes) and not d.names_category if attribute == "category" else True)
            ),
        )
        if description is None:
            return None
        own = getattr(self.facts.items[target], attribute)
        others = sorted(
            {getattr(self.facts.items[index], attribute) for index in members(description.objects)} - {own}
        )
        if not others:
            return None
        value = self.draws.pick(others)
        if description.objects & ~self.facts.having(attribute, value) != 1 << target:
            return None
        phrase = self.phrases.with_article(self.phrases.noun_phrase(description))
        return f"{phrase} {self._denial(attribute, value)}", 1 << target

    def _denial(self, attribute: str, value: str) -> str:
        if attribute == "category":
            noun = self.draws.pick(words.NOUNS[value])
            return f"{self.draws.pick(words.NOT)} {'an' if noun[0] in 'aeiou' else 'a'} {noun}"
        if attribute == "texture" and value != "plain" and self.draws.chance(0.5):
            return f"{self.draws.pick(words.WITHOUT)} {self.draws.pick(words.PATTERN_NOUNS[value])}"
        return f"{self.draws.pick(words.NOT)} {self.phrases.adjective(attribute, value)}"

    # Kinds that only knobs ask for --------------------------------------------------------------------

    def _plural(self, target: int) -> Draft:
        description = self.phrases.choose(
            target,
            lambda d: (
                not is_single(d.objects)
                and d.objects & ~self.targets == 0
                and (d.names_category or len(d.attributes) == 1)
            ),
        )
        if description is None:
            return None
        leads = words.BOTH if description.objects.bit_count() == 2 and self.draws.chance(0.5) else words.ALL
        lead = self.draws.pick(leads if self.draws.chance(0.5) else words.PLURAL_ARTICLES)
        return f"{lead} {self.phrases.noun_phrase(description, many=True)}".strip(), description.objects

    def _ambiguous(self, target: int) -> Draft:
        description = self.phrases.choose(
            target, lambda d: not is_single(d.objects) and (d.names_category or bool(d.attributes))
        )
        if description is None:
            return None
        return self.phrases.with_article(
            self.phrases.noun_phrase(description, clauses=True)
        ), description.objects

    def _no_target(self, target: int) -> Draft:
        """Describe an object with attributes of others, so that nothing fits."""
        item = self.facts.items[target]
        attribute = self.draws.pick(("colour", "texture", "category"))
        values = tuple(words.NOUNS) if attribute == "category" else tuple(words.ADJECTIVES[attribute])
        seen = sorted({getattr(other, attribute) for other in self.facts.items})
        value = self.draws.pick(seen if self.draws.chance(0.6) else values)
        category = value if attribute == "category" else item.category
        objects = self.facts.having("category", category)
        adjective = ""
        if attribute != "category" or self.draws.chance(0.5):
            shown, told = ("colour", item.colour) if attribute == "category" else (attribute, value)
            objects &= self.facts.having(shown, told)
            adjective = self.phrases.adjective(shown, told)
        if objects:
            return None
        noun = self.draws.pick(words.NOUNS[category])
        return self.phrases.with_article(f"{adjective} {noun}".strip()), 0
