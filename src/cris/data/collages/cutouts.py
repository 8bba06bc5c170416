"""Photographs of one split: what can be cut out of them, and what may be pasted where."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, UInt8

from cris.data.annotations.instances import Annotation, ImageInfo, Instances
from cris.data.expressions.category_stats import CategoryStats
from cris.data.expressions.nouns import ILL_DRAWN, noun_of
from cris.data.expressions.view import BORDER, wholeness
from cris.data.records import ImageRecord, ObjectRecord
from cris.data.store.decode import Reduction
from cris.data.store.reading import StoredDataset
from cris.masks import box_of, decode_rle

MAX_SIDE = 640
"""Least length, in pixels, of a photograph's longer side where a JPEG is decoded at a fraction."""
MIN_SIDE = 40
"""Least length, in pixels, of the shorter side of an object's box for it to be cut out."""
MIN_WHOLENESS = 0.85
"""Share of a cut-out that must be in one piece."""
MAX_SLIVER, MIN_CARRIED = 0.2, 0.8
"""Shares of a smaller object that lie within the cut-out: up to the first nobody would notice it, from the
second on it comes along; in between, the cut-out is not used."""

Categories = tuple[str, ...] | None
"""Categories that are annotated completely; None for all."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """An object with the pixels of its box, and what lies on it, such as a tie on a person."""

    categories: tuple[str, ...]
    """Category of the object, then those of what lies on it."""
    image: UInt8[np.ndarray, "height width 3"]
    masks: tuple[Bool[np.ndarray, "height width"], ...]
    """Masks in the order of the categories."""


@dataclass(frozen=True, slots=True, eq=False)
class CollagePhotograph:
    """A photograph as collages use it, possibly at a fraction of its size."""

    record: ImageRecord
    image: UInt8[np.ndarray, "height width 3"]
    reduction: Reduction

    def mask(self, each: ObjectRecord) -> Bool[np.ndarray, "height width"]:
        """Return the mask of one of its objects, at the image's size."""
        return _reduced(each, self.reduction)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may be whole and clear, judging by its box."""

    row: int
    object_id: int


@dataclass(eq=False)
class Photographs:
    """Rows of a split, with an index of the objects that can be cut out of them."""

    rows: Sequence[tuple[StoredDataset, int]]
    category_stats: CategoryStats
    annotated: list[Categories]
    """Completely annotated categories of each row."""
    _candidates: dict[Categories, dict[str, list[Candidate]]]
    _fitting: dict[Categories, dict[str, list[Candidate]]] = field(default_factory=dict)
    _unfit: set[Candidate] = field(default_factory=set)
    """Candidates that turned out to be unusable."""

    @classmethod
    def of(cls, rows: Sequence[tuple[StoredDataset, int]]) -> "Photographs":
        """Read the annotations of these rows, without their images."""
        infos: list[ImageInfo] = []
        annotations: list[Annotation] = []
        candidates: dict[Categories, dict[str, list[Candidate]]] = {}
        for number, (stored, index) in enumerate(rows):
            row = stored.row(index)
            height, width = row.size
            info = ImageInfo(
                id=number, file_name=row.file_name, height=height, width=width, annotated=row.annotated
            )
            infos.append(info)
            for each in row.objects:
                annotations.append(_annotation(each, info, len(annotations)))
                if _is_candidate(each, height, width):
                    of_category = candidates.setdefault(row.annotated, {}).setdefault(each.category, [])
                    of_category.append(Candidate(number, each.id))
        return cls(
            rows=rows,
            category_stats=CategoryStats.of(Instances("collages", infos, annotations)),
            annotated=[info.annotated for info in infos],
            _candidates=candidates,
        )

    def fitting(self, background: Categories) -> dict[str, list[Candidate]]:
        """Return the candidates for a background on which only these categories are annotated.

        They are of these categories, and come from photographs on which at least these are annotated: else
        a cut-out could bring along something unannotated, such as a person's tie.
        """
        if background not in self._fitting:
            found: dict[str, list[Candidate]] = {}
            for source, by_category in self._candidates.items():
                if source is not None and (background is None or not set(background) <= set(source)):
                    continue
                for category, candidates in by_category.items():
                    if background is None or category in background:
                        found.setdefault(category, []).extend(candidates)
            self._fitting[background] = {category: found[category] for category in sorted(found)}
        return self._fitting[background]

    def read(self, row: int) -> CollagePhotograph:
        """Decode a photograph.

        Raises:
            InputError: it is damaged.
        """
        stored, index = self.rows[row]
        image, reduction = stored.decode(stored.row(index), MAX_SIDE)
        return CollagePhotograph(stored.image(index), image, reduction)

    def cut(self, candidate: Candidate) -> Cutout | None:
        """Cut the object out; return None when it is not whole and clear after all.

        Raises:
            InputError: the photograph is damaged.
        """
        if candidate in self._unfit:
            return None
        stored, index = self.rows[candidate.row]
        row = stored.row(index)
        objects = {each.id: each for each in row.objects}
        meant = objects.pop(candidate.object_id)
        mask = decode_rle(meant.rle)
        carried = _carried(meant, mask, list(objects.values())) if _is_whole(mask) else None
        if carried is None:
            self._unfit.add(candidate)
            return None
        image, reduction = stored.decode(row, MAX_SIDE)
        masks = [_reduced(each, reduction) for each in (meant, *carried)]
        box = box_of(masks[0])
        assert box is not None
        inside = (slice(box[1], box[3]), slice(box[0], box[2]))
        return Cutout(
            categories=(meant.category, *(each.category for each in carried)),
            image=image[inside],
            masks=tuple((each & masks[0])[inside] for each in masks),
        )


def _reduced(each: ObjectRecord, reduction: Reduction) -> Bool[np.ndarray, "height width"]:
    return decode_rle(each.rle)[reduction // 2 :: reduction, reduction // 2 :: reduction]


def _is_whole(mask: Bool[np.ndarray, "height width"]) -> bool:
    """Check that it is large enough, in one piece and not cut by the photograph's border."""
    box = box_of(mask)
    if box is None:
        return False
    left, top, right, bottom = box
    height, width = mask.shape
    return (
        min(right - left, bottom - top) >= MIN_SIDE
        and min(left, width - right) > BORDER * width
        and min(top, height - bottom) > BORDER * height
        and wholeness(mask[top:bottom, left:right]) >= MIN_WHOLENESS
    )


def _carried(
    meant: ObjectRecord, mask: Bool[np.ndarray, "height width"], others: Sequence[ObjectRecord]
) -> list[ObjectRecord] | None:
    """Return the smaller objects that lie on it; None where one does in part, or a crowd does.

    Larger ones lie below it: masks of tables often include everything that stands on them.
    """
    carried: list[ObjectRecord] = []
    pixels = np.count_nonzero(mask)
    for other in others:
        if not _do_boxes_meet(meant.box, other.box):
            continue
        theirs = decode_rle(other.rle)
        shared, size = np.count_nonzero(mask & theirs), np.count_nonzero(theirs)
        if other.is_crowd and shared > MAX_SLIVER * pixels:
            return None
        if other.is_crowd or size > pixels or shared <= MAX_SLIVER * size:
            continue
        if shared < MIN_CARRIED * size:
            return None
        carried.append(other)
    return carried


def _is_candidate(each: ObjectRecord, height: int, width: int) -> bool:
    noun = noun_of(each.category)
    left, top, across, down = each.box
    is_inside = left > 0 and top > 0 and left + across < width and top + down < height
    return (
        not each.is_crowd
        and is_inside
        and min(across, down) >= MIN_SIDE
        and bool(noun)
        and noun not in ILL_DRAWN
    )


def _annotation(each: ObjectRecord, info: ImageInfo, number: int) -> Annotation:
    """Return the object as its source had it, under an id that no other data set's object has."""
    return Annotation(
        where=info.file_name,
        id=number,
        picture_id=info.id,
        category=each.category,
        box=each.box,
        area=each.area,
        is_crowd=each.is_crowd,
        segmentation=each.rle,
    )


def _do_boxes_meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return all(
        one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2]
        for axis in (0, 1)
    )
