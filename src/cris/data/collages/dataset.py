"""Collages as samples, each determined by the photographs, the seed and its index."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import zip_longest

import numpy as np
from jaxtyping import Bool, UInt8

from cris.data.collages.compose import compose
from cris.data.collages.cutouts import MIN_SIDE, Cutout, Photographs
from cris.data.dataset import (
    AnnotatedImage,
    AnnotatedObject,
    Dataset,
    Reference,
    SampleIndex,
    View,
    in_turn,
)
from cris.data.expressions import Expression, Wishes, expressions_of
from cris.data.records import ObjectRecord
from cris.data.scenes.draws import Draws
from cris.data.store.reading import StoredDataset
from cris.errors import InputError
from cris.masks import decode_rle

COLLAGES_VERSION = 1
"""Version, which goes up when the same photographs, seed and index give another collage."""
MAX_CUTOUTS = 3
MIN_VISIBLE = 0.6
"""Least visible share of an object that a sentence may mean."""
ALIKE_SHARE = 0.4
"""Probability that a cut-out's category is already there, so that a sentence has to tell them apart."""
COMPLETE_SHARE = 0.6
"""Share of collages on completely annotated backgrounds, where there are others, too."""
ABSENT_SHARE = 0.25
"""Probability that a sentence means nothing, where anything is known to be absent."""
_TRIES = 12
"""Attempts at finding a whole cut-out, and at a collage that something can be said about."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Collage:
    """An image with objects pasted into it, and the sentences about it."""

    image: UInt8[np.ndarray, "height width 3"]
    objects: tuple[ObjectRecord, ...]
    """Objects of the background as far as they are visible, then the pasted ones; ids are their indices."""
    pasted: tuple[int, ...]
    """Ids of the pasted objects."""
    expressions: tuple[Expression, ...]
    """Distinct sentences in the order in which they are used."""
    background: str
    """File name of the background photograph."""
    annotated: tuple[str, ...] | None
    """Categories in which every object is annotated; None for all."""

    def mask(self, object_ids: tuple[int, ...]) -> Bool[np.ndarray, "height width"]:
        """Return everything that these objects cover."""
        empty = np.zeros(self.image.shape[:2], dtype=bool)
        return reduce(np.logical_or, (decode_rle(self.objects[each].rle) for each in object_ids), empty)


class Collages(Dataset):
    """Collages of one split's photographs; photographs shared with another split are never used.

    It can be pickled for other processes.

    Raises:
        InputError: the data set is not stored, or there is nothing in it that can be cut out.
    """

    def __init__(
        self, dataset: Dataset, *, seed: int = 0, count: int = 1_000_000, wishes: Wishes | None = None
    ) -> None:
        of_split = dataset.rows()
        if of_split is None:
            raise InputError(f"collages are made of photographs in stored data sets, got {dataset.name}")
        rows = [
            (stored, row)
            for stored, row in _different(of_split)
            if all(entry.split == dataset.split for entry in stored.row(row).entries)
        ]
        self.photographs = Photographs.of(rows)
        self.seed = seed
        self.wishes = wishes or Wishes(is_for_training=True)
        self._backgrounds = _backgrounds(self.photographs)
        if not self._backgrounds:
            raise InputError(
                f"collages need photographs that only split {dataset.split} has, with whole objects of "
                f"{MIN_SIDE} pixels and more: found none in {len(rows):,} images"
            )
        self.name, self.split = "collages", dataset.split
        self.identity = ["collages", COLLAGES_VERSION, dataset.identity, seed, repr(self.wishes), count]
        numbers = np.arange(count)
        self.index = SampleIndex(image=numbers, entry=numbers)

    def image(self, number: int) -> AnnotatedImage:
        """Make a collage, with the first of its sentences."""
        if not 0 <= number < len(self):
            raise IndexError(f"number must be within {len(self)} collages, got {number}")
        collage = self.collage(number)
        expression = collage.expressions[0]
        reference = Reference(
            sample=number,
            ref_id=number,
            sentence=expression.sentence,
            kind=expression.kind,
            targets=expression.object_ids,
        )
        return AnnotatedImage(
            name=f"collage-{number}",
            picture_id=number,
            image=collage.image,
            objects=tuple(
                AnnotatedObject(each.category, partial(decode_rle, each.rle)) for each in collage.objects
            ),
            references=(reference,),
        )

    def view(self, samples: Sequence[int], longest: int | None = None, *, sentences: int = 0) -> View:
        """Return a collage with that many sentences, distinct ones while it has them."""
        (number,) = samples
        collage = self.collage(number)
        told = in_turn(collage.expressions[: max(1, sentences)], sentences)
        return View.of(
            collage.image,
            [each.sentence for each in told],
            [each.object_ids for each in told],
            collage.mask,
        )

    def collage(self, index: int) -> Collage:
        """Make the collage of that index.

        Raises:
            InputError: a photograph is damaged, or they hold too little to say anything about.
        """
        for attempt in range(_TRIES):
            draws = Draws("collages", COLLAGES_VERSION, self.seed, index, attempt)
            collage = self._attempt(draws, index)
            if collage is not None:
                return collage
        raise InputError(
            f"expected to find something to say of collage {index}, failed {_TRIES} times: the photographs "
            "hold too little that stands out, leave collages out"
        )

    def _attempt(self, draws: Draws, index: int) -> Collage | None:
        """Return a collage, or None when nothing can be said about what is pasted."""
        row = draws.pick(self._backgrounds[draws.chance(1 - COMPLETE_SHARE) and len(self._backgrounds) > 1])
        below = self.photographs.read(row)
        cutouts = list(self._cutouts(draws, row, below.record.objects))
        composition = compose(below, cutouts, draws)
        annotated = below.record.annotated
        visible = composition.visible
        expressions = expressions_of(
            composition.objects,
            composition.image,
            self.photographs.category_stats,
            replace(self.wishes, seed=self.seed, is_composed=True),
            index,
            annotated,
            {place for place, share in enumerate(visible) if share < MIN_VISIBLE},
        )
        if not any(set(composition.pasted) & set(expression.object_ids) for expression in expressions):
            return None
        return Collage(
            image=composition.image,
            objects=composition.objects,
            pasted=composition.pasted,
            expressions=tuple(_ordered(expressions, composition.pasted, draws)),
            background=below.record.file_name,
            annotated=annotated,
        )

    def _cutouts(self, draws: Draws, row: int, objects: Sequence[ObjectRecord]) -> Iterator[Cutout]:
        """Draw what to paste, from one photograph each; no category that has a crowd region there."""
        crowded = {each.category for each in objects if each.is_crowd}
        fitting = self.photographs.fitting(self.photographs.annotated[row])
        categories = [category for category in fitting if category not in crowded]
        there = list(dict.fromkeys(each.category for each in objects))
        taken = {row}
        for _ in range(1 + draws.below(MAX_CUTOUTS)):
            alike = [category for category in there if category in categories]
            wanted = alike if alike and draws.chance(ALIKE_SHARE) else categories
            if not wanted:
                return
            category = draws.pick(wanted)
            for _ in range(_TRIES):
                candidate = draws.pick(fitting[category])
                cutout = None if candidate.row in taken else self.photographs.cut(candidate)
                if cutout is not None:
                    taken.add(candidate.row)
                    there.extend(cutout.categories)
                    yield cutout
                    break


def _backgrounds(photographs: Photographs) -> list[list[int]]:
    """Return rows to paste into: completely annotated ones, then the others; neither is empty."""
    usable = [row for row, known in enumerate(photographs.annotated) if photographs.fitting(known)]
    complete = [row for row in usable if photographs.annotated[row] is None]
    others = [row for row in usable if photographs.annotated[row] is not None]
    return [rows for rows in (complete, others) if rows]


def _different(rows: Sequence[tuple[StoredDataset, int]]) -> Iterator[tuple[StoredDataset, int]]:
    """Yield each image once, by its id; several data sets may hold the same."""
    seen: set[int] = set()
    for stored, row in rows:
        picture_id = stored.row(row).picture_id
        if picture_id not in seen:
            seen.add(picture_id)
            yield stored, row


def _ordered(
    expressions: Sequence[Expression], pasted: Collection[int], draws: Draws
) -> Iterator[Expression]:
    """Yield distinct sentences: about pasted objects and the rest in turn, and some that mean nothing."""
    different = list({expression.sentence: expression for expression in expressions}.values())
    absent = draws.shuffled([each for each in different if not each.object_ids])
    new, old = (
        _in_rounds(
            [
                each
                for each in different
                if each.object_ids and set(pasted).isdisjoint(each.object_ids) is is_old
            ],
            draws,
        )
        for is_old in (False, True)
    )
    while new or old:
        if absent and draws.chance(ABSENT_SHARE):
            yield absent.pop()
        else:
            yield (new if not old or (new and draws.chance(0.5)) else old).popleft()


def _in_rounds(expressions: Sequence[Expression], draws: Draws) -> deque[Expression]:
    """Return one sentence about each target, then another round, as long as there are any."""
    by_meaning: dict[tuple[int, ...], list[Expression]] = {}
    for each in draws.shuffled(expressions):
        by_meaning.setdefault(each.object_ids, []).append(each)
    rounds = zip_longest(*by_meaning.values())
    return deque(each for together in rounds for each in together if each is not None)
