"""Nouns for categories, singular and plural, and the ones that people mix up."""

from collections.abc import Collection
from functools import cache

_GROUPS = (
    ("car", "truck", "bus", "train"),
    ("bicycle", "motorcycle"),
    ("cup", "wine glass", "bottle", "vase"),
    ("cup", "bowl"),
    ("bowl", "vase"),
    ("potted plant", "vase"),
    ("chair", "couch", "bench"),
    ("couch", "bed"),
    ("tv", "laptop", "cell phone"),
    ("keyboard", "laptop"),
    ("remote", "cell phone"),
    ("sandwich", "hot dog", "pizza"),
    ("cake", "donut", "sandwich"),
    (
        "apple",
        "orange",
    ),
    ("horse", "cow", "sheep", "zebra", "giraffe"),
    ("bear", "teddy bear"),
    ("backpack", "handbag", "suitcase"),
    ("skateboard", "surfboard", "snowboard", "skis"),
    ("frisbee", "sports ball"),
    ("oven", "microwave"),
)
"""Categories of COCO whose things a person may call by one another's names."""
_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "knife": "knives",
    "mouse": "mice",
    "shelf": "shelves",
    "leaf": "leaves",
    "sheep": "sheep",
    "fish": "fish",
    "aircraft": "aircraft",
    "skis": "skis",
    "scissors": "scissors",
    "broccoli": "broccoli",
    "calf": "calves",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
}
UNCOUNTED = frozenset(
    {
        "skis",
        "scissors",
        "broccoli",
        "sheep",
        "fish",
        "aircraft",
        "glasses",
        "trousers",
        "pants",
        "shorts",
        "luggage",
    }
)
"""Nouns with one form for one and for many, whose numbers and plurals say too little."""
ILL_DRAWN = frozenset({"apple", "banana", "carrot", "orange", "dining table", "potted plant"})
"""Nouns whose masks often cover a whole bunch, or part of what a person would mark."""


def noun_of(category: str) -> str:
    """Return the category's name as spoken: "traffic light" for "traffic_light"; empty without letters."""
    noun = " ".join(category.replace("_", " ").split()).lower()
    return noun if any(letter.isalpha() for letter in noun) else ""


def plural_of(noun: str) -> str:
    """Return the plural of a noun."""
    before, space, last = noun.rpartition(" ")
    return before + space + _plural_word(last)


@cache
def is_confusable(noun: str, other: str) -> bool:
    """Check whether a thing of one category may be called by the other's name."""
    if noun == other:
        return False
    if is_kind_of(noun, other) or is_kind_of(other, noun):
        return True
    return any(noun in group and other in group for group in _GROUPS)


def is_kind_of(noun: str, other: str) -> bool:
    """Check whether the second noun names things of the first one, too, as a police car is a car."""
    return noun != other and f" {noun}".endswith(f" {other}")


def confusable_with(noun: str, nouns: Collection[str]) -> list[str]:
    """Return those of the nouns that may be mixed up with it."""
    return sorted(other for other in nouns if is_confusable(noun, other))


def _plural_word(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return word[:-1] + "ies"
    return word + "s"
