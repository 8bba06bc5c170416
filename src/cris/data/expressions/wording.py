"""Wordings for what stands out."""

from cris.data.expressions.nouns import UNCOUNTED, plural_of

_FORMS = {
    "only": ("the {noun}", "{noun}"),
    "left": ("the {noun} on the left", "left {noun}", "the left {noun}"),
    "right": ("the {noun} on the right", "right {noun}", "the right {noun}"),
    "top": ("the top {noun}", "the upper {noun}", "top {noun}"),
    "bottom": ("the bottom {noun}", "the lower {noun}", "bottom {noun}"),
    "left side": ("the {noun} on the left", "{noun} on the left side"),
    "right side": ("the {noun} on the right", "{noun} on the right side"),
    "top side": ("the {noun} at the top", "{noun} at the top"),
    "bottom side": ("the {noun} at the bottom", "{noun} at the bottom"),
    "leftmost": ("the leftmost {noun}", "the {noun} farthest to the left", "{noun} on the far left"),
    "rightmost": ("the rightmost {noun}", "the {noun} farthest to the right", "{noun} on the far right"),
    "topmost": ("the topmost {noun}", "the highest {noun}"),
    "bottommost": ("the bottommost {noun}", "the lowest {noun}"),
    "middle": ("the middle {noun}", "{noun} in the middle", "the {noun} in the middle"),
    "biggest": ("the biggest {noun}", "the largest {noun}", "biggest {noun}"),
    "smallest": ("the smallest {noun}", "smallest {noun}"),
    "next to": ("the {noun} next to the {landmark}", "{noun} beside the {landmark}"),
    "left of": ("the {noun} to the left of the {landmark}", "{noun} left of the {landmark}"),
    "right of": ("the {noun} to the right of the {landmark}", "{noun} right of the {landmark}"),
    "colour": ("the {colour} {noun}", "{colour} {noun}"),
    "ordinal": ("the {ordinal} {noun} from the {side}", "{ordinal} {noun} from the {side}"),
    "all": ("all the {nouns}", "the {number} {nouns}"),
    "both": ("both {nouns}", "the two {nouns}"),
}
"""Kind of expression → its forms."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


def forms_of(kind: str, noun: str, *, landmark: str = "", colour: str = "", number: int = 0) -> list[str]:
    """Return all wordings of it; `kind` may be an ordinal with its side, such as "second left"."""
    ordinal, _, side = kind.rpartition(" ")
    forms = _FORMS.get(kind) or _FORMS["ordinal"]
    return [
        form.format(
            noun=noun,
            nouns=plural_of(noun),
            landmark=landmark,
            colour=colour,
            ordinal=ordinal,
            side=side,
            number=NUMBERS[number],
        )
        for form in forms
    ]


def can_be_counted(noun: str) -> bool:
    """Check whether the noun's form tells one from several."""
    return noun.rpartition(" ")[2] not in UNCOUNTED
