"""Which objects of a scene a sentence fits, read from its text: shares nothing with the generator.

The semantics are those of docs/scenes.md. Every reading gives two sets: objects that fit for sure, and
objects that somebody could take to fit. A sentence is unambiguous when both hold one object and the same.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from cris.data.scenes import SceneObject

SYNONYMS = {
    "disc": "circle",
    "donut": "ring",
    "plus": "cross",
    "rhombus": "diamond",
    "moon": "crescent",
    "droplet": "drop",
    "turquoise": "cyan",
    "violet": "purple",
    "solid": "plain",
    "stripy": "striped",
    "spotted": "dotted",
    "polka-dot": "dotted",
    "checked": "checkered",
    "little": "small",
    "tiny": "small",
    "medium-sized": "medium",
    "big": "large",
    "largest": "biggest",
    "tiniest": "smallest",
}
CATEGORIES = [
    *("circle", "square", "triangle", "star", "ring", "cross", "heart"),
    *("diamond", "crescent", "hexagon", "arrow", "drop", "bolt", "flower"),
]
COLOURS = ["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black"]
TEXTURES = ["plain", "striped", "dotted", "checkered"]
SIZES = ["small", "medium", "large"]
ATTRIBUTE_OF = {
    **dict.fromkeys(CATEGORIES, "category"),
    **dict.fromkeys(COLOURS, "colour"),
    **dict.fromkeys(TEXTURES, "texture"),
    **dict.fromkeys(SIZES, "size"),
}
ANYTHING = {"thing", "object", "shape", "item", "one"}
ORDINALS = ["first", "second", "third", "fourth", "fifth"]
LEADS = {"all", "every-one-of", "both", "two"}
"""Words before plurals."""

PHRASES = [  # what stands for one thing becomes one word; longer phrases come first
    (r"\b(that's|which is|that is)\b", "that-is"),
    (r"\bthat isn't\b", "that-is not"),
    (r"\b(without|with no|that has no)\b", "that-is not"),
    (r"\bevery one of\b", "every-one-of"),
    (r"\blightning bolt", "bolt"),
    (r"\bstripes\b", "pattern:striped"),
    (r"\b(dots|spots)\b", "pattern:dotted"),
    (r"\bchecks\b", "pattern:checkered"),
    (r"\b(the|a|an)\b", " "),
    (r"\s+", " "),
    (r"\b(on its right|to its right|to right of it)\b", "it-is:left"),
    (r"\b(on its left|to its left|to left of it)\b", "it-is:right"),
    (r"\b(above|over) it\b", "it-is:below"),
    (r"\b(below|under) it\b", "it-is:above"),
    (r"\b(counting )?from (left|right|top|bottom)\b", r"from:\2"),
    (r"\b(counting )?from below\b", "from:bottom"),
    (r"\b(to |on )?(left|right) of\b", r"is:\2"),
    (r"(?<!:)\b(above|over|higher than)\b", "is:above"),
    (r"(?<!:)\b(below|under|underneath|lower than)\b", "is:below"),
    (r"\b(next to|beside|near|close to)\b", "is:near"),
    (r"\b(closest to|nearest to|nearest)\b", "is:nearest"),
    (r"\b(on far|farthest to|furthest|far) (left|right)\b", r"most:\2"),
    (r"\b(left|right)most\b", r"most:\1"),
    (r"\b(topmost|highest up|highest|uppermost|at very top)\b", "most:top"),
    (r"\b(bottommost|lowest|at very bottom|furthest down)\b", "most:bottom"),
    (r"(?<![:\w])(on |at )?(left|right)( side)?(?= |$)", r"half:\2"),
    (r"\b(in upper half|at top|upper)\b", "half:top"),
    (r"\b(in lower half|at bottom|lower)\b", "half:bottom"),
    (r"(?<![:\w])(top|bottom)(?= |$)", r"half:\1"),
]


SLACK = 2 / 160
"""Outlines are boxed with their partly covered pixels, masks hold those covered by more than half: at a sharp
tip a box read from a mask ends up to two pixels earlier. How far apart centres lie along an axis
changes by as much, gaps and differences of distances by twice as much."""


class UnknownSentenceError(Exception):
    """The checker cannot read a sentence."""


@dataclass(frozen=True)
class Reading:
    """Indices of objects that fit for sure, and of those that may fit."""

    sure: frozenset[int]
    possible: frozenset[int]

    @property
    def only(self) -> int:
        """The one object that is meant."""
        if self.sure != self.possible or len(self.sure) != 1:
            raise UnknownSentenceError(f"not one object: {self}")
        return next(iter(self.sure))


def _words(sentence: str) -> list[str]:
    text = sentence.lower()
    for pattern, replacement in PHRASES:
        text = re.sub(pattern, replacement, text)
    return [_singular(word) for word in text.split()]


def _singular(word: str) -> str:
    word = SYNONYMS.get(word, word)
    if word not in ATTRIBUTE_OF and word.endswith("s"):
        single = re.sub("(?<=s)es$", "", word) if word.endswith("ses") else word[:-1]
        single = SYNONYMS.get(single, single)
        if single in CATEGORIES or single in ANYTHING:
            return single
    return word


class Checker:
    """Reads sentences about one scene of `side` pixels; lengths are shares of the side."""

    def __init__(self, objects: Sequence[SceneObject], side: int, *, by_centroid: bool = False) -> None:
        self.objects = objects
        self.boxes = [tuple(edge / side for edge in thing.box) for thing in objects]
        self.areas = [thing.mask.sum() / thing.visibility for thing in objects]
        self.centres = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in self.boxes]
        if by_centroid:
            places = [thing.mask.nonzero() for thing in objects]
            self.centres = [
                (xs.mean() / side + 0.5 / side, ys.mean() / side + 0.5 / side) for ys, xs in places
            ]

    def read(self, sentence: str) -> Reading:
        """The objects that a sentence fits."""
        return self._read(_words(sentence))

    def _read(self, words: list[str]) -> Reading:
        for place, word in enumerate(words):
            if word.startswith("is:"):
                before = words[: place - 1] if words[place - 1] == "that-is" else words[:place]
                anchor = self._read(words[place + 1 :]).only
                return self._in_relation(word[3:], self._plain(before), anchor)
        if words[-1].startswith("it-is:"):
            start = next(
                place
                for place, (word, following) in enumerate(pairwise(words))
                if word == "with" and not following.startswith("pattern:")
            )
            anchor = self._read(words[start + 1 : -1]).only
            return self._in_relation(words[-1][6:], self._plain(words[:start]), anchor)
        return self._plain(words)

    def _plain(self, words: list[str]) -> Reading:
        """A noun phrase without other objects: attributes, then at most one way to pick among those."""
        fitting, picks = set(range(len(self.objects))), []
        for before, word in zip(["", *words], words, strict=False):
            if word in ATTRIBUTE_OF or word.startswith("pattern:"):
                value = word.removeprefix("pattern:")
                having = {i for i in fitting if getattr(self.objects[i], ATTRIBUTE_OF[value]) == value}
                fitting = fitting - having if before == "not" else having
            elif word.startswith(("most:", "half:", "from:")) or word in (*ORDINALS, "biggest", "smallest"):
                picks.append(word)
            elif word not in ANYTHING | LEADS | {"that-is", "not", "with"}:
                raise UnknownSentenceError(f"{word!r} in {words}")
        return self._picked(picks, fitting) if picks else _agreed(fitting)

    def _picked(self, picks: list[str], among: set[int]) -> Reading:
        how, *rest = picks
        if how in ORDINALS and len(rest) == 1 and rest[0].startswith("from:"):
            return self._by_order(among, rest[0][5:], ORDINALS.index(how))
        if how == "second" and rest and rest[0] in ("biggest", "smallest") and len(rest) == 1:
            return self._by_size(among, rest[0], 1)
        if how in ("biggest", "smallest") and not rest:
            return self._by_size(among, how, 0)
        if how.startswith("most:") and not rest:
            return self._at_end(among, how[5:])
        if how.startswith("half:") and not rest:
            return self._in_half(among, how[5:])
        raise UnknownSentenceError(f"several ways to pick: {picks}")

    def _along(self, index: int, side: str) -> float:
        """Distance from a side of the image."""
        x, y = self.centres[index]
        return {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y}[side]

    def _by_order(self, among: set[int], side: str, place: int) -> Reading:
        ranked = sorted(among, key=lambda index: self._along(index, side))
        is_clear = all(
            self._along(b, side) - self._along(a, side) >= 0.04 - SLACK for a, b in pairwise(ranked)
        )
        return _agreed({ranked[place]}) if is_clear and place < len(ranked) else _unclear(among)

    def _at_end(self, among: set[int], side: str) -> Reading:
        best = min(self._along(index, side) for index in among)
        return _agreed({index for index in among if self._along(index, side) < best + 0.04 - SLACK})

    def _in_half(self, among: set[int], side: str) -> Reading:
        sure = {index for index in among if self._along(index, side) <= 0.46 + SLACK}
        return Reading(frozenset(sure), frozenset(i for i in among if self._along(i, side) < 0.54 - SLACK))

    def _by_size(self, among: set[int], which: str, place: int) -> Reading:
        classes = SIZES if which == "smallest" else SIZES[::-1]
        groups = [{i for i in among if self.objects[i].size == size} for size in classes]
        groups = [group for group in groups if group]
        if len(groups) < place + 2 or any(len(group) > 1 for group in groups[: place + 1]):
            return _unclear(among)
        ranked = [index for group in groups for index in group]
        for rank, index in enumerate(ranked[: place + 1]):
            for later in ranked[rank + 1 :]:
                before, after = self.areas[index], self.areas[later]
                large, small = (before, after) if which == "biggest" else (after, before)
                if large < 1.249 * small:
                    return _unclear(among)
        return _agreed({ranked[place]})

    def _in_relation(self, relation: str, reading: Reading, anchor: int) -> Reading:
        assert reading.sure == reading.possible
        among = set(reading.sure) - {anchor}
        if relation == "nearest":
            return self._nearest(among, anchor)
        judge: Callable[[int, int], tuple[bool, bool]] = self._is_near
        if relation != "near":
            side = {"left": "left", "right": "right", "above": "top", "below": "bottom"}[relation]
            judge = partial(self._is_towards, side)
        judged = {index: judge(index, anchor) for index in among}
        return Reading(
            frozenset(index for index, (sure, _) in judged.items() if sure),
            frozenset(index for index, (_, possible) in judged.items() if possible),
        )

    def _is_towards(self, side: str, index: int, anchor: int) -> tuple[bool, bool]:
        along = self._along(anchor, side) - self._along(index, side)
        other = "top" if side in ("left", "right") else "left"
        aside = abs(self._along(anchor, other) - self._along(index, other))
        sure = along >= 0.08 - SLACK and aside <= 0.9 * along + 1.9 * SLACK
        return sure, sure or (along > 0.02 + SLACK and aside < 2 * along - 3 * SLACK)

    def _gap(self, first: int, second: int) -> float:
        a, b = self.boxes[first], self.boxes[second]
        return math.hypot(max(a[0] - b[2], b[0] - a[2], 0), max(a[1] - b[3], b[1] - a[3], 0))

    def _is_near(self, index: int, anchor: int) -> tuple[bool, bool]:
        gap = self._gap(index, anchor)
        return gap <= 0.05 + 2 * SLACK, gap < 0.15 - 2 * SLACK

    def _nearest(self, among: set[int], anchor: int) -> Reading:
        if not among:
            return _agreed(set())
        reach = {index: math.dist(self.centres[index], self.centres[anchor]) for index in among}
        best = min(among, key=reach.__getitem__)
        rivals = {
            index
            for index in among
            if reach[index] < reach[best] + 0.06 - 2 * SLACK
            or self._gap(index, anchor) < self._gap(best, anchor) - 2 * SLACK
        }
        return Reading(frozenset({best}), frozenset({best} | rivals))


def _agreed(indices: set[int]) -> Reading:
    return Reading(frozenset(indices), frozenset(indices))


def _unclear(among: set[int]) -> Reading:
    return Reading(frozenset(), frozenset(among))
