"""Words that people use for COCO's categories, and words kept out of training to measure new ones."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cris.data.expressions.nouns import UNCOUNTED, plural_of

HELD_OUT = {
    "puppy": "dog",
    "doggy": "dog",
    "canine": "dog",
    "kitty": "cat",
    "feline": "cat",
    "pony": "horse",
    "lady": "person",
    "gentleman": "person",
    "infant": "person",
    "settee": "couch",
    "automobile": "car",
    "lorry": "truck",
    "motorbike": "motorcycle",
    "ship": "boat",
    "jet": "airplane",
    "airliner": "airplane",
    "mug": "cup",
    "goblet": "wine glass",
    "telly": "tv",
    "timepiece": "clock",
}
"""Word that no training sentence has → the category whose things it is measured on."""

HELD_OUT_LIKE = {"lady": "woman", "gentleman": "man", "infant": "child"}
"""Held-out word → the trained word nearest to it, where that is not the category's name."""

COCO = frozenset(
    {
        *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
        *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog"),
        *("horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag"),
        *("tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat"),
        *(
            "baseball glove",
            "skateboard",
            "surfboard",
            "tennis racket",
            "bottle",
            "wine glass",
            "cup",
            "fork",
        ),
        *("knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog"),
        *("pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv"),
        *("laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
        *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
    }
)
"""The 80 categories."""

SYNONYMS = {
    "airplane": ("plane", "aircraft", "aeroplane"),
    "backpack": ("rucksack", "knapsack"),
    "baseball bat": ("bat",),
    "baseball glove": ("glove", "mitt", "baseball mitt"),
    "bench": ("park bench",),
    "bicycle": ("cycle", "pedal bike"),
    "cell phone": ("phone", "mobile phone", "cellphone", "smartphone"),
    "cow": ("bull",),
    "cup": ("coffee cup",),
    "dining table": ("table",),
    "donut": ("doughnut",),
    "fire hydrant": ("hydrant",),
    "frisbee": ("disc", "flying disc"),
    "hair drier": ("hair dryer", "hairdryer", "blow dryer"),
    "handbag": ("purse", "hand bag"),
    "hot dog": ("hotdog",),
    "keyboard": ("computer keyboard",),
    "laptop": ("laptop computer", "notebook computer"),
    "microwave": ("microwave oven",),
    "mouse": ("computer mouse",),
    "oven": ("stove", "cooker"),
    "parking meter": ("meter",),
    "potted plant": ("plant", "houseplant"),
    "refrigerator": ("fridge",),
    "remote": ("remote control", "controller"),
    "scissors": ("pair of scissors",),
    "sheep": ("lamb",),
    "sink": ("basin", "washbasin"),
    "skis": ("pair of skis",),
    "sports ball": ("ball",),
    "stop sign": ("sign", "red sign"),
    "suitcase": ("travel case", "luggage"),
    "surfboard": ("surf board",),
    "teddy bear": ("stuffed animal", "toy bear", "teddy", "stuffed bear"),
    "tennis racket": ("racket", "racquet", "tennis racquet"),
    "tie": ("necktie",),
    "toilet": ("toilet bowl",),
    "toothbrush": ("tooth brush",),
    "traffic light": ("stoplight", "traffic signal", "stop light"),
    "train": ("locomotive",),
    "tv": ("television", "tv screen", "television set"),
    "umbrella": ("parasol",),
    "vase": ("flower vase",),
    "boat": ("vessel",),
    "couch": ("sofa",),
    "wine glass": ("wineglass",),
}
"""Category → other words for its things and for no others, the most frequent first."""

BROADER = {
    "animal": ("dog", "cat", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "bird"),
    "pet": ("dog", "cat"),
    "vehicle": ("car", "truck", "bus", "motorcycle", "train"),
    "bike": ("bicycle", "motorcycle"),
    "fruit": ("apple", "banana", "orange"),
    "vegetable": ("broccoli", "carrot"),
    "food": (
        *("sandwich", "pizza", "hot dog", "cake", "donut", "apple", "banana", "orange", "broccoli", "carrot"),
    ),
    "dessert": ("cake", "donut"),
    "bag": ("handbag", "backpack", "suitcase"),
    "glass": ("wine glass", "cup"),
    "dish": ("bowl",),
    "utensil": ("fork", "knife", "spoon"),
    "monitor": ("tv", "laptop"),
    "screen": ("tv", "laptop", "cell phone"),
    "computer": ("laptop", "tv"),
    "board": ("skateboard", "surfboard", "snowboard"),
    "seat": ("chair", "bench", "couch"),
    "stuffed toy": ("teddy bear",),
}
"""Word → all categories whose things it may mean."""

SYNONYM_SHARE = 0.4
"""Share of the mentions of a category with synonyms that use one of them."""

_PERSON = {"person": 5.0, "human": 0.6, "individual": 0.4, "figure": 0.3, "someone": 0.4, "somebody": 0.3}
_LONE_PERSON = _PERSON | {
    **{"man": 2.5, "woman": 2.5, "guy": 2.0, "girl": 1.2, "boy": 1.2, "kid": 0.8, "child": 0.6, "dude": 0.3}
}
"""Words for a person alone: no annotation tells sex or age, but these are frequent and cannot be mistaken."""
_AMONG_PEOPLE = _PERSON | {"guy": 1.0}
_PEOPLE = {"people": 5.0, "persons": 0.7, "humans": 0.4, "individuals": 0.3, "guys": 0.4}
PRONOUNS = frozenset({"someone", "somebody"})
"""Words that take neither an article nor an adjective."""

MAY_BE_CALLED = {
    "car": ("truck",),
    "truck": ("car",),
    "bear": ("teddy bear",),
    "bed": ("couch",),
    "couch": ("bed", "chair"),
    "chair": ("couch", "bench"),
    "bench": ("chair",),
    "cup": ("wine glass", "bowl", "vase", "bottle"),
    "wine glass": ("cup",),
    "bowl": ("cup", "vase"),
    "vase": ("bottle", "cup", "potted plant", "wine glass"),
    "potted plant": ("vase",),
    "bottle": ("vase",),
    "keyboard": ("laptop",),
    "tv": ("laptop",),
    "laptop": ("tv", "keyboard"),
    "handbag": ("backpack", "suitcase"),
    "backpack": ("handbag", "suitcase"),
    "suitcase": ("handbag", "backpack"),
    "oven": ("microwave", "toaster"),
    "microwave": ("oven", "toaster"),
    "sandwich": ("hot dog",),
    "hot dog": ("sandwich",),
    "cake": ("donut",),
    "bird": ("kite",),
}
"""Absent category → present categories whose things may still be called by its name."""
_UNSURE_WHEN_ABSENT = frozenset(
    {
        *("table", "plant", "sign", "red sign", "meter", "glove", "bat", "disc", "vessel", "cycle", "phone"),
        *("ball", "controller"),
    }
)
"""Synonyms that also mean things of no category, so that they prove nothing absent."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words for a data set's categories: with synonyms where all are COCO's, else their names alone."""

    known: frozenset[str]
    """Nouns of all its categories."""

    @property
    def is_coco(self) -> bool:
        """Check that these tables apply: other categories share words in unknown ways."""
        return self.known <= COCO

    def broader(self, noun: str) -> list[str]:
        """Return the words that mean things of the category among others."""
        return [word for word, nouns in BROADER.items() if noun in nouns] if self.is_coco else []

    def draw(self, noun: str, draw: random.Random, *, is_alone: bool) -> str:
        """Draw a word for one thing of the category, which is the only one of it in the image or not."""
        if not self.is_coco:
            return noun
        if noun == "person":
            return _weighted(_LONE_PERSON if is_alone else _AMONG_PEOPLE, draw)
        return _synonym(noun, SYNONYMS.get(noun, ()), SYNONYM_SHARE, draw)

    def draw_plural(self, noun: str, draw: random.Random) -> str:
        """Draw a word for several things of the category."""
        if self.is_coco and noun == "person":
            return _weighted(_PEOPLE, draw)
        word = self.draw(noun, draw, is_alone=False)
        return plural_of(noun if word in UNCOUNTED else word)

    def draw_absent(self, noun: str, draw: random.Random) -> str:
        """Draw a word for a category that the image has nothing of."""
        if not self.is_coco or noun == "person":
            return self.draw(noun, draw, is_alone=True)
        sure = [word for word in SYNONYMS.get(noun, ()) if word not in _UNSURE_WHEN_ABSENT]
        return _synonym(noun, sure, SYNONYM_SHARE, draw)


def _weighted(words: Mapping[str, float], draw: random.Random) -> str:
    return draw.choices(list(words), list(words.values()))[0]


def _synonym(noun: str, others: Sequence[str], share: float, draw: random.Random) -> str:
    """Draw the noun or one of the other words, the first of which is the most frequent."""
    if not others or draw.random() >= share:
        return noun
    return draw.choices(others, [1 / (place + 1) for place in range(len(others))])[0]
