"""Words and phrases that the grammar can produce."""

Options = dict[str, tuple[str, ...]]

NOUNS: Options = {
    "circle": ("circle", "circle", "disc"),
    "square": ("square",),
    "triangle": ("triangle",),
    "star": ("star",),
    "ring": ("ring", "ring", "ring", "donut"),
    "cross": ("cross", "cross", "cross", "plus"),
    "heart": ("heart",),
    "diamond": ("diamond", "diamond", "diamond", "rhombus"),
    "crescent": ("crescent", "crescent", "moon"),
    "hexagon": ("hexagon",),
    "arrow": ("arrow",),
    "drop": ("drop", "drop", "droplet"),
    "bolt": ("bolt", "lightning bolt"),
    "flower": ("flower",),
}
"""Names of each category; repeats make a name more frequent, here and below."""
GENERIC_NOUNS = ("thing", "thing", "object", "object", "shape", "item")
PLURALS = {"cross": "crosses", "plus": "pluses", "rhombus": "rhombuses"}
"""Plurals for which an added "s" is not enough."""

ADJECTIVES: dict[str, Options] = {
    "colour": {
        "red": ("red",),
        "orange": ("orange",),
        "yellow": ("yellow",),
        "green": ("green",),
        "cyan": ("cyan", "turquoise"),
        "blue": ("blue",),
        "purple": ("purple", "purple", "violet"),
        "pink": ("pink",),
        "white": ("white",),
        "black": ("black",),
    },
    "texture": {
        "plain": ("plain", "solid"),
        "striped": ("striped", "striped", "stripy"),
        "dotted": ("dotted", "spotted", "polka-dot"),
        "checkered": ("checkered", "checkered", "checked"),
    },
    "size": {
        "small": ("small", "small", "little", "tiny"),
        "medium": ("medium", "medium-sized"),
        "large": ("big", "big", "large"),
    },
}
PATTERN_NOUNS: Options = {
    "striped": ("stripes",),
    "dotted": ("dots", "spots"),
    "checkered": ("checks",),
}
"""Nouns for "with stripes" and "without stripes"."""

SIZE_EXTREMES: Options = {
    "large": ("biggest", "biggest", "largest"),
    "small": ("smallest", "smallest", "tiniest"),
}
EXTREMES: Options = {
    "left": (
        "leftmost {np}", "leftmost {np}", "far left {np}", "{np} on the far left",
        "{np} farthest to the left", "{np} furthest left",
    ),
    "right": (
        "rightmost {np}", "rightmost {np}", "far right {np}", "{np} on the far right",
        "{np} farthest to the right", "{np} furthest right",
    ),
    "top": ("topmost {np}", "highest {np}", "uppermost {np}", "{np} at the very top", "{np} highest up"),
    "bottom": (
        "bottommost {np}", "lowest {np}", "lowest {np}", "{np} at the very bottom",
        "{np} furthest down",
    ),
}  # fmt: skip
REGIONS: Options = {
    "left": ("{np} on the left", "{np} on the left", "left {np}", "{np} on the left side", "{np} at left"),
    "right": (
        "{np} on the right",
        "{np} on the right",
        "right {np}",
        "{np} on the right side",
        "{np} at right",
    ),
    "top": ("{np} at the top", "top {np}", "upper {np}", "{np} in the upper half"),
    "bottom": ("{np} at the bottom", "bottom {np}", "lower {np}", "{np} in the lower half"),
}

ORDINALS = ("first", "second", "third", "fourth", "fifth")
FROM_SIDES: Options = {
    "left": ("from the left", "from the left", "from left", "counting from the left"),
    "right": ("from the right", "from the right", "from right", "counting from the right"),
    "top": ("from the top", "from the top", "from top", "counting from the top"),
    "bottom": ("from the bottom", "from the bottom", "from below", "counting from the bottom"),
}

RELATIONS: Options = {
    "left": ("left of", "left of", "to the left of", "to the left of", "on the left of"),
    "right": ("right of", "right of", "to the right of", "to the right of", "on the right of"),
    "above": ("above", "above", "over", "higher than"),
    "below": ("below", "below", "under", "underneath", "lower than"),
    "near": ("next to", "next to", "beside", "near", "close to"),
    "nearest": ("closest to", "nearest to", "nearest"),
}
CONVERSES: Options = {
    "right": ("on its left", "to its left", "to the left of it"),
    "left": ("on its right", "to its right", "to the right of it"),
    "below": ("above it", "over it"),
    "above": ("below it", "under it"),
}
"""Side → phrases on the other object's side: "the star with the ring on its left" is right of the ring."""

THAT_IS = ("that is", "that is", "which is", "that's")
NOT = ("that is not", "that is not", "that isn't", "which is not", "that's not")
WITHOUT = ("without", "without", "with no", "that has no")
ARTICLES = ("the", "the", "the", "")
ALL = ("all", "all", "all the", "every one of the")
BOTH = ("both", "both", "both the", "the two")
PLURAL_ARTICLES = ("the", "the", "")


def plural(noun: str) -> str:
    """Return the plural of one of the nouns above."""
    return PLURALS.get(noun, f"{noun}s")


def vocabulary() -> frozenset[str]:
    """Return every word, split at spaces and in lower case, that a sentence about a scene can contain."""
    nouns = [noun for names in NOUNS.values() for noun in names] + list(GENERIC_NOUNS)
    phrases = [*nouns, *map(plural, nouns), *THAT_IS, *NOT, *WITHOUT, *ARTICLES, *ALL, *BOTH, *ORDINALS]
    phrases += ["with", "a", "an", "one", "ones"]
    tables = [*ADJECTIVES.values(), PATTERN_NOUNS, SIZE_EXTREMES, EXTREMES]
    for table in (*tables, REGIONS, FROM_SIDES, RELATIONS, CONVERSES):
        phrases += [phrase for options in table.values() for phrase in options]
    words = {word for phrase in phrases for word in phrase.split()}
    return frozenset(words - {"{np}"})
