"""Exchange of left and right in a sentence, so that it stays true of the mirrored image."""

import re
from typing import Literal

Refusal = Literal["spelling", "not a side", "ordinal", "clock", "compass", "writing"]
"""Reason why a sentence cannot be rewritten."""

# ASCII: "ſ" would match "s" otherwise, and lose it. Every pattern below treats left and right alike, so what
# is refused, or rewritten, is so after a swap too: this makes the rewriter its own inverse.
_FLAGS = re.IGNORECASE | re.ASCII
_SIDE = r"(?:left|right)"
_PLACE = r"(?:top|bottom|upper|lower|far|mid|front|back)"
_ENDING = r"(?:most|handed|hand|side|wards|ward|est|er|ie|y|s)"
_WORD = re.compile(rf"(?<![a-z])({_PLACE}?)({_SIDE}|lft|rgt|lt|rt|lhs|rhs)(?={_ENDING}?(?![a-z]))", _FLAGS)
_LETTER = re.compile(
    r"(?:(?<=\bon )|(?<=\bto )|(?<=\bfrom )|(?<=\bfar )|(?<=\btop )|(?<=\bbottom )|(?<=\bupper )"
    r"|(?<=\blower )|(?<=\bthe )|^)[lr]\b(?![.'’]\w|[ -]shape)",
    _FLAGS,
)
_SWAPS = {"left": "right", "lft": "rgt", "lt": "rt", "lhs": "rhs", "l": "r"}
_SWAPS |= {right: left for left, right in _SWAPS.items()}

_HARMLESS = re.compile(
    r"\b(?:(?:b|up|f|al|out|down|forth|copy|birth|play|w|ship|mill|cart|wheel)right|cleft|aright|righteous)\w*|\bleftovers?\b",
    _FLAGS,
)
_MISSPELT = re.compile(
    r"\b(?:eft|lef|lefft|leftt|leff|lesft|leeft|elft|letf|lfet|ritght|rigth|rigt|righ|rihgt|rght|riht|rigght"
    r"|righht|irght|rgiht|ight|rite|roght|rihht)\b",
    _FLAGS,
)
_LONE_LETTER = re.compile(r"(?<![\w'’&/.-])[lr](?![\w'’&/-])", _FLAGS)

# "right behind", "left open": only a word before it can tell that a side is meant
_BEFORE = (
    *("the", "a", "an", "on", "to", "from", "at", "in", "of", "far", "further", "furthest", "farther"),
    *("farthest", "extreme", "very", "most", "top", "bottom", "upper", "lower", "front", "back", "rear"),
    *("center", "centre", "middle", "his", "her", "hers", "its", "it's", "their", "my", "our", "your"),
    *("facing", "looking", "pointing", "turning", "towards", "toward", "outer", "and", "or", "s", "'s"),
)
_AFTER = (
    *("next", "behind", "beside", "besides", "by", "above", "below", "under", "beneath", "underneath"),
    *("near", "in", "inside", "on", "onto", "at", "against", "out", "outside", "over", "off", "after"),
    *("before", "there", "here", "now", "away", "up", "down", "alone", "open", "empty", "for", "without"),
    *("unattended", "untouched", "uneaten", "through", "across", "between", "with", "around", "along"),
)
_NOT_A_SIDE = re.compile(
    rf"\b(?:is|are|was|were|be|been|being|has|have|had|just|one|ones|what|what'?s|all|some|that|who)"
    rf" {_SIDE}\b"
    rf"|\b{_SIDE}[ -](?:angled?|over|of[ -]way|now|away|alone)\b"
    rf"|\b{_SIDE}[ -]side[ -](?:up|down|out)\b"
    rf"|(?<![a-z'])(?!(?:{'|'.join(_BEFORE)})\b)[a-z']+ {_SIDE} (?:{'|'.join(_AFTER)})\b"
    rf"|^\W*{_SIDE} (?:{'|'.join(_AFTER)})\b",
    _FLAGS,
)

_NUMBER = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|penultimate"
    r"|\d+(?:st|nd|rd|th))"
)
_ORDINAL = re.compile(rf"\b{_NUMBER}\b", _FLAGS)
_END = r"(?:front|back|rear|top|bottom|camera|viewer|us)"
_COUNTED = re.compile(
    rf"\b{_NUMBER}\b(?: (?!{_NUMBER}\b)[\w'-]+){{0,3}}?"
    rf"(?: (?:from|to|on|at)(?: the| my| your)?(?: far| very)?)?"
    rf" (?:(?:{_SIDE}(?:most|hand|side)?|lft|rgt|lt|rt|[lr])\b"
    rf"|(?<=from ){_END}\b|(?<=from the ){_END}\b)",
    _FLAGS,
)
_CLOCK = re.compile(
    r"o\W?clock|clock[- ]?wise|\bnoon\b|\b\d{1,2}:\d\d\b|\b\d{1,2} ?[ap]\.?m\b|\bposition \d", _FLAGS
)
_COMPASS = re.compile(
    r"\b(?:north|south)?[- ]?(?:east|west)(?:ern|wards?)?\b|\bstarboard\b|\bport ?side\b"
    r"|\b(?:driver|passenger)'?s'? side\b",
    _FLAGS,
)
_WRITING = re.compile(
    r"\d{2}|#|\d\.\d|\b(?:number|no\.|numbered) ?\d|[\"“”]|\b\d$"
    r"|\b(?:numbers?|letters?|words?|reads?|says?|saying|written|labell?ed|named|spell\w*|initials?)\b",
    _FLAGS,
)


def flip_sentence(sentence: str) -> str | None:
    """Return the sentence with every left for a right and every right for a left; None when refused.

    A sentence that names no side comes back as it is. Applied twice, the function is the identity.
    """
    return None if refusal(sentence) else _swapped(sentence)


def refusal(sentence: str) -> Refusal | None:
    """Return why the sentence may be untrue, or cannot be put, of the mirrored image; None when it can.

    Refused are misspelt sides; "right" and "left" that may be no side ("right behind", "one left"); ordinals
    that are not counted from a named end ("the second horse"); clock positions; points of the compass; and
    writing, which a mirrored image does not show.
    """
    rest = _LETTER.sub("", _WORD.sub("", _HARMLESS.sub("", sentence)))
    if (
        re.search(_SIDE, rest, _FLAGS)
        or _MISSPELT.search(rest)
        or _LONE_LETTER.search(rest)
        or not all(_has_plain_case(part.group()) for part in _WORD.finditer(sentence))
    ):
        return "spelling"
    if _NOT_A_SIDE.search(" ".join(sentence.split())):
        return "not a side"
    if len(_ORDINAL.findall(sentence)) > len(_COUNTED.findall(" ".join(sentence.split()))):
        return "ordinal"
    if _CLOCK.search(sentence):
        return "clock"
    if _COMPASS.search(sentence):
        return "compass"
    if _WRITING.search(_ORDINAL.sub("", sentence)):
        return "writing"
    return None


def _swapped(sentence: str) -> str:
    words = _WORD.sub(lambda found: found[1] + _other(found[2]), sentence)
    return _LETTER.sub(lambda found: _other(found[0]), words)


def _other(side: str) -> str:
    """Return the opposite word, in the same case."""
    other = _SWAPS[side.lower()]
    if side.isupper():
        return other.upper()
    return other.capitalize() if side[0].isupper() else other


def _has_plain_case(word: str) -> bool:
    return word.islower() or word.isupper() or word.istitle()
