"""Phrasings with which people say what stands out, for training."""

import random

from cris.data.expressions.nouns import UNCOUNTED
from cris.data.expressions.synonyms import PRONOUNS

_TEMPLATES = {
    "side": (
        "{the} on the {side} | {side} {noun} | the {side} {noun} | {noun} on {side} | "
        "{noun} on the {side} | {a} on the {side} | {noun} {side} | {the} to the {side} | "
        "{the} on the {side} side | {a} to the {side} | {noun} on the {side} side | {the} at {side} | "
        "{noun} to the {side} | {the} on the {side} hand side"
    ),
    "whole side": (
        "{the} on the {side} | {noun} on the {side} side | {noun} on {side} | {a} on the {side} | "
        "{the} on the {side} side of the picture | {a} on the {side} side of the image | {noun} {side} | "
        "{side} {noun} | {the} to the {side}"
    ),
    "end": (
        "the {side}most {noun} | {side}most {noun} | far {side} {noun} | {noun} on the far {side} | "
        "{noun} far {side} | {the} furthest to the {side} | {the} farthest to the {side} | "
        "{a} on the far {side} | first {noun} from the {side} | {the} on the far {side} | "
        "the far {side} {noun}"
    ),
    "beside": "{the} to the {side} of {mark} | {noun} {side} of {mark} | {a} to the {side} of {mark}",
    "only": (
        "{the} | {the} | {the} | {a} | {a} | {noun} | {noun} | {noun} | the only {noun} | this {noun} | "
        "one {noun} | {a} in the picture | {the} in this photo | {a} in the photo | {the} in the image | "
        "{noun} in the picture"
    ),
    "top": (
        "the top {noun} | the upper {noun} | top {noun} | {noun} on top | {the} at the top | "
        "upper {noun} | {a} at the top | {noun} at top"
    ),
    "bottom": (
        "the bottom {noun} | the lower {noun} | bottom {noun} | {noun} on bottom | {the} at the bottom | "
        "lower {noun} | {a} at the bottom | {noun} at bottom"
    ),
    "top side": "{the} at the top | {noun} at the top | {a} at the top of the picture | top {noun}",
    "bottom side": (
        "{the} at the bottom | {noun} at the bottom | {a} at the bottom of the picture | bottom {noun}"
    ),
    "topmost": "the topmost {noun} | the highest {noun} | highest {noun} | {the} at the very top",
    "bottommost": "the bottommost {noun} | the lowest {noun} | lowest {noun} | {the} at the very bottom",
    "middle": (
        "the middle {noun} | {noun} in the middle | {the} in the middle | middle {noun} | center {noun} | "
        "{the} in the center | {noun} in middle | {a} in the middle | the center {noun} | "
        "{a} in the center"
    ),
    "center": (
        "{the} in the middle | {noun} in middle | {a} in the middle of the picture | center {noun} | "
        "{the} in the center | middle {noun} | {a} in the center of the image | {noun} in center"
    ),
    "corner": (
        "{the} in the {side} corner | {side} {noun} | the {side} {noun} | {noun} at {side} | "
        "{noun} on the {side} | {a} on the {side} | {noun} {side} | {the} in the {side}"
    ),
    "biggest": (
        "the biggest {noun} | the largest {noun} | biggest {noun} | largest {noun} | the big {noun} | "
        "the large {noun} | big {noun} | large {noun} | the bigger {noun} | a large {noun} | "
        "the larger {noun}"
    ),
    "smallest": (
        "the smallest {noun} | smallest {noun} | the small {noun} | small {noun} | the smaller {noun} | "
        "a small {noun} | the little {noun} | little {noun} | smaller {noun}"
    ),
    "front": (
        "{the} in front | front {noun} | the closest {noun} | closest {noun} | nearest {noun} | "
        "the nearest {noun} | {the} closest to the camera | {noun} closest to us | {noun} in front | "
        "{the} in the foreground | the front {noun} | {a} in the front"
    ),
    "back": (
        "{the} in the back | back {noun} | {the} in the background | {noun} in back | "
        "{a} in the background | {the} farthest away | the farthest {noun} | "
        "{the} furthest from the camera | {noun} in the back"
    ),
    "next to": (
        "{the} next to {mark} | {noun} beside {mark} | {noun} next to {mark} | {a} next to {mark} | "
        "{the} near {mark} | {noun} by {mark} | {a} beside {mark}"
    ),
    "on": (
        "{the} on {mark} | {noun} on {mark} | {a} on {mark} | {the} on top of {mark} | "
        "{a} on top of {mark} | {the} that is on {mark}"
    ),
    "riding": (
        "{the} on {mark} | {a} on {mark} | {a} riding {mark} | {noun} riding {mark} | {the} riding {mark}"
    ),
    "sitting": "{the} on {mark} | {noun} sitting on {mark} | {a} sitting on {mark} | {the} sitting on {mark}",
    "with": "{the} with {mark} | {noun} with {mark} | {a} with {mark} | {the} who has {mark}",
    "holding": (
        "{the} with {mark} | {a} holding {mark} | {noun} holding {mark} | {the} holding {mark} | "
        "{the} who is holding {mark} | {a} with {mark} | {noun} with {mark}"
    ),
    "wearing": (
        "{the} with {mark} | {a} wearing {mark} | {noun} wearing {mark} | {the} in {mark} | {a} with {mark}"
    ),
    "role": "{the} | {a} | {noun}",
    "colour": (
        "the {colour} {noun} | {colour} {noun} | a {colour} {noun} | {the} that is {colour} | "
        "{colour} colored {noun} | the {colour} colored {noun}"
    ),
    "clothing": (
        "{the} in {colour} | {noun} in {colour} | {a} in {colour} | {a} wearing {colour} | "
        "{noun} wearing {colour} | {the} in the {colour} {garment} | {a} in a {colour} {garment} | "
        "{noun} in {colour} {garment} | {a} wearing a {colour} {garment} | "
        "{noun} with {colour} {garment} | {the} with the {colour} {garment} | "
        "{the} wearing the {colour} {garment} | {colour} {garment} | {the} wearing {colour}"
    ),
    "ordinal": (
        "the {ordinal} {noun} from the {side} | {ordinal} {noun} from the {side} | "
        "{ordinal} {noun} from {side} | {the} {ordinal} from the {side}"
    ),
    "all": (
        "all the {nouns} | the {nouns} | {nouns} | all {nouns} | all of the {nouns} | "
        "the {nouns} in the picture"
    ),
    "number": "the {number} {nouns} | {number} {nouns} | all {number} {nouns}",
    "both": "both {nouns} | the two {nouns} | two {nouns} | both of the {nouns} | both the {nouns}",
}
"""Kind → its templates, with | between them; {the} and {a} stand for the noun with its article."""
_GARMENTS = ("shirt", "shirt", "shirt", "shirt", "top", "jacket", "t-shirt", "sweater", "clothes")
_UNARTICLED = UNCOUNTED - {"sheep", "aircraft"}
"""Nouns that do not take "a"."""


def draw_phrase(
    kind: str,
    noun: str,
    draw: random.Random,
    *,
    nouns: str = "",
    mark: str = "",
    colour: str = "",
    number: str = "",
) -> str:
    """Draw one phrasing; `kind` may be an ordinal with its side, such as "second left"."""
    first, _, last = kind.rpartition(" ")
    templates = _templates(kind)
    if noun in PRONOUNS:
        bare = [each.replace("{the}", "{a}") for each in templates if "{noun}" not in each]
        templates, noun = (bare, noun) if bare else (templates, "person")
    template = draw.choice(templates)
    colour = draw.choice(("grey", "gray")) if colour == "grey" else colour
    garment = draw.choice(_GARMENTS)
    if garment == "clothes":
        template = template.replace(" a {colour}", " {colour}")
    phrase = template.format(
        noun=noun,
        the=f"the {noun}",
        a=with_article(noun),
        nouns=nouns,
        mark=mark,
        colour=colour,
        garment=garment,
        ordinal=first,
        side=first if last in ("side", "of", "corner") else last.removesuffix("most"),
        number=number,
    )
    return phrase.replace("a orange", "an orange")


def draw_mark(noun: str, draw: random.Random) -> str:
    """Draw the name of a landmark within a sentence."""
    return noun if noun in PRONOUNS else draw.choice((f"the {noun}", f"the {noun}", with_article(noun)))


def with_article(noun: str) -> str:
    """Return the noun after "a" or "an", if it takes either."""
    if noun in PRONOUNS or (noun.rpartition(" ")[2] in _UNARTICLED and not noun.startswith("pair of ")):
        return noun
    is_vowel = noun[0] in "aeiou" and not noun.startswith(("ut", "uni"))
    return f"an {noun}" if is_vowel else f"a {noun}"


def _templates(kind: str) -> list[str]:
    last = kind.rpartition(" ")[2]
    if kind in ("left", "right"):
        kind = "side"
    elif kind in ("leftmost", "rightmost"):
        kind = "end"
    elif kind in ("left side", "right side"):
        kind = "whole side"
    elif kind in ("left of", "right of"):
        kind = "beside"
    elif last == "corner":
        kind = "corner"
    return _TEMPLATES.get(kind, _TEMPLATES["ordinal"]).split(" | ")
