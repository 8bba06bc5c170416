"""Words that people use for COCO's categories, and words kept out of training to measure what is new."""

import random
from collections.abc import Sequence

from cris.data.expressions.nouns import plural_of

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
"""Word that no sentence for training has → the category whose things it is measured on."""

HELD_OUT_LIKE = {"lady": "woman", "gentleman": "man", "infant": "child"}
"""Held-out word → the trained word nearest to it, where that is not the category's name."""

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
"""Category → other words for its things and for no others, the most frequent one first."""

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

_PERSON = {"person": 5.0, "human": 0.6, "individual": 0.4, "figure": 0.3, "someone": 0.4, "somebody": 0.3}
_LONE_PERSON = _PERSON | {
    **{"man": 2.5, "woman": 2.5, "guy": 2.0, "girl": 1.2, "boy": 1.2, "kid": 0.8, "child": 0.6, "dude": 0.3}
}
"""No annotation tells the sex or age, but these words are frequent, and a person alone is not mistaken."""
_AMONG_PEOPLE = _PERSON | {"guy": 1.0}
_PEOPLE = {"people": 5.0, "persons": 0.7, "humans": 0.4, "individuals": 0.3, "guys": 0.4}
PRONOUNS = frozenset({"someone", "somebody"})
"""Words that take no article and no adjective before them."""

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
"""Absent category → those of which a thing, where it is present, may still be called so."""
_UNSURE_WHEN_ABSENT = frozenset(
    {"table", "plant", "sign", "red sign", "meter", "glove", "bat", "disc", "vessel"}
)
"""Synonyms that also mean things of no category, so that nothing is known to be absent by them."""


def draw_word(noun: str, draw: random.Random, *, is_alone: bool) -> str:
    """Draw a word for one thing of the category, which is the only one of it in the image or not."""
    if noun == "person":
        words = _LONE_PERSON if is_alone else _AMONG_PEOPLE
        return draw.choices(list(words), list(words.values()))[0]
    others = SYNONYMS.get(noun, ())
    return _draw_synonym(others, draw) if others and draw.random() < 0.45 else noun


def draw_plural(noun: str, draw: random.Random) -> str:
    """Draw a word for several things of the category."""
    if noun == "person":
        return draw.choices(list(_PEOPLE), list(_PEOPLE.values()))[0]
    return plural_of(draw_word(noun, draw, is_alone=False))


def draw_absent(noun: str, draw: random.Random) -> str:
    """Draw a word for a category of which nothing is in the image."""
    if noun == "person":
        words = _LONE_PERSON
        return draw.choices(list(words), list(words.values()))[0]
    others = [word for word in SYNONYMS.get(noun, ()) if word not in _UNSURE_WHEN_ABSENT]
    return _draw_synonym(others, draw) if others and draw.random() < 0.3 else noun


def _draw_synonym(words: Sequence[str], draw: random.Random) -> str:
    return draw.choices(words, [1 / (place + 1) for place in range(len(words))])[0]


def broader_words(noun: str) -> list[str]:
    """Return the words that mean things of the category among others."""
    return [word for word, nouns in BROADER.items() if noun in nouns]
