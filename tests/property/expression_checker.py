"""Reads made sentences about photographs with a grammar and geometry of its own, wider than the rules'.

What might fit in a person's eyes counts as fitting: a sentence that is left with one object means that one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from pycocotools import mask as coco

from cris.data.records import ObjectRecord

SLACK = 0.03  # share of the image's side by which places may be misjudged
SIZE_SLACK = 1.4
NEAR = 0.12  # share of the mean side within which a person may say "next to"
MOST_POINTS = 2_000  # of an object, for its place
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"]
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
ODD_PLURALS = {"people": "person", "knives": "knife", "mice": "mouse", "buses": "bus", "benches": "bench"}
COLOURS = {  # an eye's idea of each; yellow goes from lemon to gold
    "red": (200, 30, 40),
    "orange": (240, 140, 30),
    "brown": (120, 75, 40),
    "yellow": (240, 215, 60),
    "gold": (230, 180, 30),
    "green": (50, 140, 60),
    "blue": (50, 90, 190),
    "purple": (120, 60, 150),
    "pink": (240, 140, 180),
    "white": (235, 235, 235),
    "grey": (130, 130, 130),
    "black": (25, 25, 25),
}
SIDES = {
    "left": (0, 1),
    "right": (0, -1),
    "top": (1, 1),
    "upper": (1, 1),
    "bottom": (1, -1),
    "lower": (1, -1),
    "highest": (1, 1),
    "lowest": (1, -1),
}
GRAMMAR = [
    (r"(?:both|the two) (?P<nouns>.+)", "both"),
    (r"all the (?P<nouns>.+)", "all"),
    (r"the (?P<number>two|three|four|five|six) (?P<nouns>.+)", "number"),
    (r"(?P<ordinal>\w+) (?P<noun>.+) from the (?P<side>left|right)", "ordinal"),
    (r"(?P<noun>.+) (?:next to|beside) the (?P<mark>.+)", "near"),
    (r"(?P<noun>.+?) (?:to the )?(?P<side>left|right) of the (?P<mark>.+)", "beside"),
    (r"(?P<noun>.+) (?:farthest to the|on the far) (?P<side>left|right)", "end"),
    (r"(?P<side>left|right|top|bottom)most (?P<noun>.+)", "end"),
    (r"(?P<side>highest|lowest) (?P<noun>.+)", "end"),
    (r"(?P<noun>.+) (?:on the|at the) (?P<side>left|right|top|bottom)(?: side)?", "half"),
    (r"(?P<noun>.+) in the middle|middle (?P<noun2>.+)", "middle"),
    (r"(?P<side>left|right|top|upper|bottom|lower) (?P<noun>.+)", "end"),
    (r"(?:biggest|largest) (?P<noun>.+)", "biggest"),
    (r"smallest (?P<noun>.+)", "smallest"),
    (rf"(?P<colour>{'|'.join(COLOURS)}) (?P<noun>.+)", "colour"),
    (r"(?P<noun>.+)", "any"),
]


@dataclass(frozen=True)
class Seen:
    """An object as the checker sees it."""

    id: int
    name: str
    is_crowd: bool
    points: np.ndarray
    """Some lit pixels as x, y in shares of the image's sides."""
    rim: np.ndarray
    """Some points of its outlines, in shares of the image's mean side."""
    share: float


class Checker:
    """Tells which objects of an image a sentence may mean."""

    def __init__(self, objects: Sequence[ObjectRecord], image: np.ndarray) -> None:
        self.image = image
        self.masks = {
            each.id: coco.decode({"size": each.rle["size"], "counts": each.rle["counts"].encode()}).astype(
                bool
            )
            for each in objects
        }
        self.seen = [self._see(each) for each in objects if self.masks[each.id].any()]

    def fitting(self, sentence: str) -> set[int]:
        """Ids of the objects that might be meant; crowds among them, as they hold such objects."""
        text = sentence.removeprefix("the ")
        known = {each.name for each in self.seen}
        for pattern, kind in GRAMMAR:
            whole = sentence if kind in ("both", "all", "number") else text
            match = re.fullmatch(pattern, whole)
            if match is None:
                continue
            found = {name: value for name, value in match.groupdict().items() if value is not None}
            if kind in ("both", "all", "number"):
                return self._several(kind, found)
            noun = found.get("noun") or found["noun2"]
            if kind == "ordinal" and found["ordinal"] not in ORDINALS:
                continue
            if (
                kind != "any" and noun not in known and text in known
            ):  # "bottom bowl" may be a category's name
                continue
            named = [each for each in self.seen if each.name == noun]
            return {each.id for each in self._meant(kind, named, found)} | {
                each.id for each in named if each.is_crowd
            }
        raise AssertionError(sentence)

    def _meant(self, kind: str, named: list[Seen], found: dict[str, str]) -> list[Seen]:
        if kind == "any" or not named:
            return named
        if kind == "biggest":
            return [o for o in named if o.share * SIZE_SLACK >= max(p.share for p in named)]
        if kind == "smallest":
            return [o for o in named if o.share <= SIZE_SLACK * min(p.share for p in named)]
        if kind == "colour":
            return [o for o in named if self._colour_share(o, found["colour"]) >= 0.3]
        if kind == "middle":
            return self._at(named, 0, 1, len(named) // 2) if len(named) % 2 else named
        if kind in ("near", "beside"):
            return self._related(kind, named, found)
        axis, direction = SIDES[found["side"]]
        if kind == "ordinal":
            return self._at(named, axis, direction, ORDINALS.index(found["ordinal"]))
        if kind == "half" and len(named) != 2:
            return [o for o in named if _place(o, axis, direction) < 0.5]
        edge = min(_edge(o, axis, direction) for o in named)
        return [
            o for o in named if o in self._at(named, axis, direction, 0) or _edge(o, axis, direction) <= edge
        ]

    def _at(self, named: list[Seen], axis: int, direction: int, index: int) -> list[Seen]:
        """The one at that place in the order, and those so near its place that they may be taken for it."""
        row = sorted(named, key=lambda each: _place(each, axis, direction))
        if index >= len(row):
            return []
        at = _place(row[index], axis, direction)
        return [each for each in row if abs(_place(each, axis, direction) - at) <= SLACK]

    def _related(self, kind: str, named: list[Seen], found: dict[str, str]) -> list[Seen]:
        marks = [each for each in self.seen if each.name == found["mark"]]
        if kind == "near":
            return [o for o in named if any(_distance(o, mark) <= NEAR for mark in marks)]
        axis, direction = SIDES[found["side"]]
        return [
            o
            for o in named
            if any(_place(o, axis, direction) < _place(mark, axis, direction) for mark in marks)
        ]

    def _several(self, kind: str, found: dict[str, str]) -> set[int]:
        named = {each.id for each in self.seen if _is_plural(found["nouns"], each.name)}
        expected = {"both": 2, "number": NUMBERS.get(found.get("number", ""))}.get(kind)
        return named if expected is None or len(named) == expected else set()

    def _colour_share(self, thing: Seen, colour: str) -> float:
        pixels = self.image[self.masks[thing.id]][::5].reshape(-1, 1, 3)
        palette = np.array(list(COLOURS.values()), dtype=np.uint8).reshape(-1, 1, 3)
        lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(float)
        names = cv2.cvtColor(palette, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(float)
        nearest = np.linalg.norm(lab[:, None] - names[None], axis=2).argmin(axis=1)
        shares = dict(zip(COLOURS, np.bincount(nearest, minlength=len(COLOURS)) / len(lab), strict=True))
        return float(shares[colour] + (shares["gold"] if colour == "yellow" else 0))

    def _see(self, record: ObjectRecord) -> Seen:
        mask = self.masks[record.id]
        rows, columns = np.nonzero(mask)
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        step = 1 + len(rows) // MOST_POINTS
        points = np.stack([columns, rows], axis=1)[::step].astype(float)
        return Seen(
            id=record.id,
            name=re.sub(r"[\s_]+", " ", record.category).strip().lower(),
            is_crowd=record.is_crowd,
            points=points / (mask.shape[1], mask.shape[0]),
            rim=np.vstack(outlines).reshape(-1, 2)[::3] * 2 / sum(mask.shape),
            share=float(mask.mean()),
        )


def _place(thing: Seen, axis: int, direction: int) -> float:
    centre = float(np.median(thing.points[:, axis]))
    return centre if direction == 1 else 1 - centre


def _edge(thing: Seen, axis: int, direction: int) -> float:
    places = thing.points[:, axis]
    return float(places.min()) if direction == 1 else 1 - float(places.max())


def _distance(thing: Seen, other: Seen) -> float:
    return float(np.linalg.norm(other.rim[None] - thing.rim[:, None], axis=2).min())


def _is_plural(nouns: str, name: str) -> bool:
    before, _, last = nouns.rpartition(" ")
    singular = f"{before} {ODD_PLURALS[last]}".strip() if last in ODD_PLURALS else None
    return name == singular or nouns in (f"{name}s", f"{name}es", f"{name[:-1]}ies")
