"""Sentences about a layout, each with the objects that it fits."""

from collections.abc import Callable
from dataclasses import dataclass

from cris.data.scenes import words
from cris.data.scenes.draws import Draws
from cris.data.scenes.facts import SIDES, Facts, is_single, members

STANDARD_KINDS = (
    "category", "attribute", "size", "superlative", "ordinal", "relation", "two_hop", "negation",
)  # fmt: skip
KINDS = (*STANDARD_KINDS, "no_target", "plural", "ambiguous")
"""Kinds of expression; the last three exist only where a knob asks for them."""
KIND_WEIGHTS = (30, 29, 11, 16, 11, 18, 12, 8)
"""Chosen so that, scenes that lack a kind included, the shares of docs/scenes.md come out."""
LONGEST = 16
"""Words."""
PAIRS = (
    (),
    ("colour",),
    ("texture",),
    ("size",),
    ("colour", "texture"),
    ("colour", "size"),
    ("texture", "size"),
)
ATTRIBUTE_SETS = (*PAIRS, ("colour", "texture", "size"))
NATURAL = {(True, 0): 6.0, (True, 1): 3.0, (True, 2): 0.7, (False, 0): 0.5, (False, 1): 0.8, (False, 2): 0.25}
"""How readily a description is used, by whether it names the category and its number of attributes."""


@dataclass(frozen=True, slots=True)
class Description:
    """Some attributes of an object, and all objects that share them."""

    of: int
    names_category: bool
    attributes: tuple[str, ...]
    objects: int

    @property
    def weight(self) -> float:
        """How readily it is used."""
        return NATURAL.get((self.names_category, len(self.attributes)), 0.15)


Draft = tuple[str, int] | None
"""A sentence and the set of objects that it fits."""


class Grammar:
    """Makes sentences about one layout and those of its objects that may be targets."""

    def __init__(self, facts: Facts, targets: int, draws: Draws) -> None:
        self.facts = facts
        self.targets = targets
        self.draws = draws
        self._descriptions: dict[int, list[Description]] = {}
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
        """Kind, sentence and the one object it fits; None when nothing can be said."""
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
        """A sentence of one kind about one (or more) of the possible targets, None when the scene has none."""
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

    # Descriptions -----------------------------------------------------------------------------------

    def _about(self, target: int) -> list[Description]:
        """All descriptions of an object, shorter ones first."""
        if target not in self._descriptions:
            item, found = self.facts.items[target], []
            for attributes in ATTRIBUTE_SETS:
                objects = self.facts.everything
                for attribute in attributes:
                    objects &= self.facts.having(attribute, getattr(item, attribute))
                found.append(Description(target, False, attributes, objects))
                objects &= self.facts.having("category", item.category)
                found.append(Description(target, True, attributes, objects))
            self._descriptions[target] = found
        return self._descriptions[target]

    def _choose(self, target: int, accepts: Callable[[Description], bool]) -> Description | None:
        fitting = [description for description in self._about(target) if accepts(description)]
        if not fitting:
            return None
        return self.draws.weighted(fitting, [description.weight for description in fitting])

    def _shared(self, target: int, without: str = "") -> Description | None:
        """A description that the object shares with others."""
        return self._choose(target, lambda d: not is_single(d.objects) and without not in d.attributes)

    def _is_shortest(self, description: Description) -> bool:
        """Whether it fits one object, and no longer does when an attribute is left out."""
        if not is_single(description.objects):
            return False
        mine = set(description.attributes)
        return not any(
            is_single(other.objects)
            and other.names_category == description.names_category
            and set(other.attributes) < mine
            for other in self._about(description.of)
        )

    def _unique(self, target: int) -> Description | None:
        """A shortest description that fits this object alone."""
        return self._choose(target, lambda d: self._is_shortest(d) and len(d.attributes) <= 2)

    # Noun phrases -----------------------------------------------------------------------------------

    def _adjective(self, attribute: str, value: str) -> str:
        return self.draws.pick(words.ADJECTIVES[attribute][value])

    def _noun(self, description: Description) -> str:
        if description.names_category:
            return self.draws.pick(words.NOUNS[self.facts.items[description.of].category])
        return self.draws.pick(words.GENERIC_NOUNS)

    def _phrase(self, description: Description, *, clauses: bool = False, many: bool = False) -> str:
        """A noun phrase without its article."""
        item, before, after = self.facts.items[description.of], [], []
        attributes = list(description.attributes)
        if "size" in attributes:
            attributes.remove("size")
            before.append(self._adjective("size", item.size))
        for attribute in self.draws.shuffled(attributes):
            value = getattr(item, attribute)
            if attribute == "texture" and value != "plain" and self.draws.chance(0.25):
                after.append(f"with {self.draws.pick(words.PATTERN_NOUNS[value])}")
            elif clauses and not after and not many and self.draws.chance(0.1):
                after.append(f"{self.draws.pick(words.THAT_IS)} {self._adjective(attribute, value)}")
            else:
                before.append(self._adjective(attribute, value))
        is_one = not description.names_category and before and not after and self.draws.chance(0.25)
        noun = "one" if is_one else self._noun(description)
        return " ".join([*before, words.plural(noun) if many else noun, *after])

    def _with_article(self, phrase: str) -> str:
        return f"{self.draws.pick(words.ARTICLES)} {phrase}".strip()

    def _anchor(self, description: Description) -> str:
        """The noun phrase that a relation refers to, most often with its article."""
        phrase = self._phrase(description)
        return f"the {phrase}" if self.draws.chance(0.85) else phrase

    # Kinds: each returns None when its choices fit not exactly one object -----------------------------

    def _category(self, target: int) -> Draft:
        description = next(d for d in self._about(target) if d.names_category and not d.attributes)
        if not is_single(description.objects):
            return None
        return self._with_article(self._phrase(description)), description.objects

    def _attribute(self, target: int) -> Draft:
        return self._described(target, lambda d: bool(d.attributes) and "size" not in d.attributes)

    def _size(self, target: int) -> Draft:
        return self._described(target, lambda d: "size" in d.attributes)

    def _described(self, target: int, accepts: Callable[[Description], bool]) -> Draft:
        adds_one = self.draws.chance(0.15)
        description = self._choose(
            target,
            lambda d: accepts(d) and (self._is_shortest(d) or (adds_one and self._is_one_longer(d))),
        )
        if description is None:
            return None
        return self._with_article(self._phrase(description, clauses=True)), description.objects

    def _is_one_longer(self, description: Description) -> bool:
        """Whether leaving out one attribute still tells which object is meant."""
        return description.names_category and any(
            self._is_shortest(other)
            and other.names_category
            and len(other.attributes) == len(description.attributes) - 1
            and set(other.attributes) < set(description.attributes)
            for other in self._about(description.of)
        )

    def _superlative(self, target: int) -> Draft:
        variant = self.draws.weighted(("size", "extreme", "region"), (45, 30, 25))
        description = self._shared(target, without="size" if variant == "size" else "")
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
        return self._with_article(template.format(np=self._phrase(description))), fitting

    def _ordinal(self, target: int) -> Draft:
        if self.draws.chance(0.12):
            return self._size_ordinal(target)
        description = self._choose(target, lambda d: d.objects.bit_count() >= 3)
        if description is None:
            return None
        side = self.draws.pick(tuple(SIDES))
        ranked = self.facts.order(description.objects, side)
        if not ranked or ranked.index(target) >= min(len(ranked) - 1, len(words.ORDINALS)):
            return None
        place = ranked.index(target)
        if place == 0 and self.draws.chance(0.6):
            return None
        phrase = f"{words.ORDINALS[place]} {self._phrase(description)}"
        return f"{self._with_article(phrase)} {self.draws.pick(words.FROM_SIDES[side])}", 1 << target

    def _size_ordinal(self, target: int) -> Draft:
        description = self._shared(target, without="size")
        size = self.draws.pick(("small", "large"))
        if description is None or self.facts.by_size(description.objects, size, 1) != 1 << target:
            return None
        phrase = f"second {self.draws.pick(words.SIZE_EXTREMES[size])} {self._phrase(description)}"
        return self._with_article(phrase), 1 << target

    def _anchors(self, target: int, also_not: int = 0) -> list[int]:
        return list(members(self.facts.clear & ~(1 << target) & ~also_not))

    def _picked_by_relation(self, relation: str, objects: int, anchor: int) -> int:
        """The one of the objects in this relation to the anchor, as a set; empty when unclear."""
        if relation == "nearest":
            return self.facts.nearest(objects, anchor)
        yes, maybe = self.facts.related(relation, anchor)
        return objects & yes if is_single(objects & yes) and objects & maybe == objects & yes else 0

    def _draw_relation(self) -> str:
        return self.draws.weighted(tuple(words.RELATIONS), (20, 20, 20, 20, 12, 8))

    def _relation(self, target: int) -> Draft:
        anchors, description = self._anchors(target), self._shared(target)
        if not anchors or description is None:
            return None
        relation, anchor = self._draw_relation(), self.draws.pick(anchors)
        if self._picked_by_relation(relation, description.objects, anchor) != 1 << target:
            return None
        reference = self._unique(anchor)
        if reference is None:
            return None
        phrase = self._with_article(self._phrase(description))
        if relation in words.CONVERSES and self.draws.chance(0.12):
            converse = self.draws.pick(words.CONVERSES[relation])
            return f"{phrase} with {self._anchor(reference)} {converse}", 1 << target
        return f"{phrase} {self._related_to(relation, self._anchor(reference), 0.15)}", 1 << target

    def _related_to(self, relation: str, anchor: str, clause: float) -> str:
        that_is = f"{self.draws.pick(words.THAT_IS)} " if self.draws.chance(clause) else ""
        return f"{that_is}{self.draws.pick(words.RELATIONS[relation])} {anchor}"

    def _two_hop(self, target: int) -> Draft:
        anchors, description = self._anchors(target), self._shared(target)
        if not anchors or description is None:
            return None
        relation, anchor = self._draw_relation(), self.draws.pick(anchors)
        if self._picked_by_relation(relation, description.objects, anchor) != 1 << target:
            return None
        reference = self._singled_out(anchor, target)
        if reference is None:
            return None
        phrase = self._with_article(self._phrase(description))
        return f"{phrase} {self._related_to(relation, reference, 0.1)}", 1 << target

    def _singled_out(self, anchor: int, target: int) -> str | None:
        """A noun phrase for an anchor that takes a superlative or another object to find."""
        description = self._shared(anchor)
        if description is None:
            return None
        if self.draws.chance(0.35):
            side = self.draws.pick(tuple(SIDES))
            if self.facts.farthest(description.objects, side) != 1 << anchor:
                return None
            return f"the {self.draws.pick(words.EXTREMES[side][:2]).format(np=self._phrase(description))}"
        others = self._anchors(target, also_not=1 << anchor)
        if not others:
            return None
        relation, other = self._draw_relation(), self.draws.pick(others)
        if self._picked_by_relation(relation, description.objects, other) != 1 << anchor:
            return None
        reference = self._unique(other)
        if reference is None:
            return None
        return f"the {self._phrase(description)} {self._related_to(relation, self._anchor(reference), 1.0)}"

    def _negation(self, target: int) -> Draft:
        attribute = self.draws.weighted(("colour", "texture", "size", "category"), (40, 30, 12, 18))
        description = self._choose(
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
        phrase = self._with_article(self._phrase(description))
        return f"{phrase} {self._denial(attribute, value)}", 1 << target

    def _denial(self, attribute: str, value: str) -> str:
        if attribute == "category":
            noun = self.draws.pick(words.NOUNS[value])
            return f"{self.draws.pick(words.NOT)} {'an' if noun[0] in 'aeiou' else 'a'} {noun}"
        if attribute == "texture" and value != "plain" and self.draws.chance(0.5):
            return f"{self.draws.pick(words.WITHOUT)} {self.draws.pick(words.PATTERN_NOUNS[value])}"
        return f"{self.draws.pick(words.NOT)} {self._adjective(attribute, value)}"

    # Kinds that only knobs ask for --------------------------------------------------------------------

    def _plural(self, target: int) -> Draft:
        description = self._choose(
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
        return f"{lead} {self._phrase(description, many=True)}".strip(), description.objects

    def _ambiguous(self, target: int) -> Draft:
        description = self._choose(
            target, lambda d: not is_single(d.objects) and (d.names_category or bool(d.attributes))
        )
        if description is None:
            return None
        return self._with_article(self._phrase(description, clauses=True)), description.objects

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
            adjective = self._adjective(shown, told)
        if objects:
            return None
        noun = self.draws.pick(words.NOUNS[category])
        return self._with_article(f"{adjective} {noun}".strip()), 0
