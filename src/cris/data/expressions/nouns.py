"""What categories are called, one and many, and which of them people mix up."""

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
"""Categories of COCO of which a person may call one thing by the other's name."""
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
"""Nouns that are one and many, of which numbers and plurals say too little."""
ILL_DRAWN = frozenset({"apple", "banana", "carrot", "orange", "dining table", "potted plant"})
"""Nouns of which masks often hold a whole bunch, or part of what a person would light up."""


def noun_of(category: str) -> str:
    """The category's name as it is said: "traffic light" of "traffic_light"; empty when without letters."""
    noun = " ".join(category.replace("_", " ").split()).lower()
    return noun if any(letter.isalpha() for letter in noun) else ""


def plural_of(noun: str) -> str:
    """More than one of it."""
    before, space, last = noun.rpartition(" ")
    return before + space + _plural_word(last)


@cache
def is_confusable(noun: str, other: str) -> bool:
    """Whether a thing of the second category may be called by the first one's name, or the reverse."""
    if noun == other:
        return False
    if is_kind_of(noun, other) or is_kind_of(other, noun):
        return True
    return any(noun in group and other in group for group in _GROUPS)


def is_kind_of(noun: str, other: str) -> bool:
    """Whether the second noun names things of the first one, too, as a police car is a car."""
    return noun != other and f" {noun}".endswith(f" {other}")


def confusable_with(noun: str, nouns: Collection[str]) -> list[str]:
    """Those of the nouns that may be mixed up with it."""
    return sorted(other for other in nouns if is_confusable(noun, other))


def _plural_word(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return word[:-1] + "ies"
    return word + "s"
