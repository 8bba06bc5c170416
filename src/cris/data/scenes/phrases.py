"""Descriptions of objects by their attributes, and the noun phrases that express them."""

from collections.abc import Callable
from dataclasses import dataclass

from cris.data.scenes import words
from cris.data.scenes.draws import Draws
from cris.data.scenes.facts import Facts, is_single

ATTRIBUTE_SETS: tuple[tuple[str, ...], ...] = (
    (), ("colour",), ("texture",), ("size",),
    ("colour", "texture"), ("colour", "size"), ("texture", "size"), ("colour", "texture", "size"),
)  # fmt: skip
NATURAL = {(True, 0): 6.0, (True, 1): 3.0, (True, 2): 0.7, (False, 0): 0.5, (False, 1): 0.8, (False, 2): 0.25}
"""Weight of a description by whether it names the category and by its number of attributes."""


@dataclass(frozen=True, slots=True)
class Description:
    """Some attributes of an object, and all objects that share them."""

    of: int
    names_category: bool
    attributes: tuple[str, ...]
    objects: int

    @property
    def weight(self) -> float:
        """Return how readily it is used."""
        return NATURAL.get((self.names_category, len(self.attributes)), 0.15)


class Phrases:
    """Descriptions of the objects of one layout."""

    def __init__(self, facts: Facts, draws: Draws) -> None:
        self._facts = facts
        self._draws = draws
        self._descriptions: dict[int, list[Description]] = {}

    def about(self, target: int) -> list[Description]:
        """Return all descriptions of an object, shorter ones first."""
        if target not in self._descriptions:
            item, found = self._facts.items[target], []
            for attributes in ATTRIBUTE_SETS:
                objects = self._facts.everything
                for attribute in attributes:
                    objects &= self._facts.having(attribute, getattr(item, attribute))
                found.append(Description(target, False, attributes, objects))
                objects &= self._facts.having("category", item.category)
                found.append(Description(target, True, attributes, objects))
            self._descriptions[target] = found
        return self._descriptions[target]

    def choose(self, target: int, accepts: Callable[[Description], bool]) -> Description | None:
        """Return one of the accepted descriptions of an object, natural ones more often."""
        fitting = [description for description in self.about(target) if accepts(description)]
        if not fitting:
            return None
        return self._draws.weighted(fitting, [description.weight for description in fitting])

    def shared(self, target: int, without: str = "") -> Description | None:
        """Return a description that the object shares with others."""
        return self.choose(target, lambda d: not is_single(d.objects) and without not in d.attributes)

    def is_shortest(self, description: Description) -> bool:
        """Check that it fits one object, and no longer does when an attribute is left out."""
        if not is_single(description.objects):
            return False
        mine = set(description.attributes)
        return not any(
            is_single(other.objects)
            and other.names_category == description.names_category
            and set(other.attributes) < mine
            for other in self.about(description.of)
        )

    def unique(self, target: int) -> Description | None:
        """Return a shortest description that fits this object alone."""
        return self.choose(target, lambda d: self.is_shortest(d) and len(d.attributes) <= 2)

    def is_one_longer(self, description: Description) -> bool:
        """Check whether leaving out one attribute still tells which object is meant."""
        return description.names_category and any(
            self.is_shortest(other)
            and other.names_category
            and len(other.attributes) == len(description.attributes) - 1
            and set(other.attributes) < set(description.attributes)
            for other in self.about(description.of)
        )

    def adjective(self, attribute: str, value: str) -> str:
        """Return one of the words for a value of "colour", "texture" or "size"."""
        return self._draws.pick(words.ADJECTIVES[attribute][value])

    def _noun(self, description: Description) -> str:
        if description.names_category:
            return self._draws.pick(words.NOUNS[self._facts.items[description.of].category])
        return self._draws.pick(words.GENERIC_NOUNS)

    def noun_phrase(self, description: Description, *, clauses: bool = False, many: bool = False) -> str:
        """Return a noun phrase without its article."""
        item, before, after = self._facts.items[description.of], [], []
        attributes = list(description.attributes)
        if "size" in attributes:
            attributes.remove("size")
            before.append(self.adjective("size", item.size))
        for attribute in self._draws.shuffled(attributes):
            value = getattr(item, attribute)
            if attribute == "texture" and value != "plain" and self._draws.chance(0.25):
                after.append(f"with {self._draws.pick(words.PATTERN_NOUNS[value])}")
            elif clauses and not after and not many and self._draws.chance(0.1):
                after.append(f"{self._draws.pick(words.THAT_IS)} {self.adjective(attribute, value)}")
            else:
                before.append(self.adjective(attribute, value))
        is_one = not description.names_category and before and not after and self._draws.chance(0.25)
        noun = "one" if is_one else self._noun(description)
        return " ".join([*before, words.plural(noun) if many else noun, *after])

    def with_article(self, phrase: str) -> str:
        """Return the phrase, most often with "the"."""
        return f"{self._draws.pick(words.ARTICLES)} {phrase}".strip()

    def anchor(self, description: Description) -> str:
        """Return the noun phrase that a relation refers to, most often with its article."""
        phrase = self.noun_phrase(description)
        return f"the {phrase}" if self._draws.chance(0.85) else phrase
