"""Photographs of one split: what can be cut out of them, and what may be pasted where."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, UInt8

from cris.data.annotations.instances import Annotation, Instances, PictureInfo
from cris.data.expressions.census import Census
from cris.data.expressions.nouns import ILL_DRAWN, noun_of
from cris.data.expressions.view import BORDER, wholeness
from cris.data.records import ObjectRecord, PictureRecord
from cris.data.store.decode import Reduction
from cris.data.store.reading import StoredDataset
from cris.masks import box_of, decode_rle

MAX_SIDE = 640
"""Pixels that the longer side of a photograph keeps, at least, where a JPEG is decoded at a fraction."""
MIN_SIDE = 48
"""Pixels of the shorter side of an object's box from which on it is cut out."""
MIN_WHOLENESS = 0.9
"""Share of a cut-out that is in one piece."""
MAX_SHARED = 0.05
"""Share of the smaller of two masks that lies on the other one: more is a thing on or before a thing."""

Categories = tuple[str, ...] | None
"""Those that are annotated completely; None: all."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """An object with the pixels of its box."""

    category: str
    image: UInt8[np.ndarray, "height width 3"]
    mask: Bool[np.ndarray, "height width"]


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A photograph as collages use it, perhaps at a fraction of its size."""

    record: PictureRecord
    image: UInt8[np.ndarray, "height width 3"]
    reduction: Reduction

    def mask(self, each: ObjectRecord) -> Bool[np.ndarray, "height width"]:
        """Return the mask of one of its objects, of the image's size."""
        half, step = self.reduction // 2, self.reduction
        return decode_rle(each.rle)[half::step, half::step]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An object that may be whole and clear, as far as its box tells."""

    row: int
    object_id: int


@dataclass(eq=False)
class Photographs:
    """The rows of a split, with an index of the objects that can be cut out of them."""

    rows: Sequence[tuple[StoredDataset, int]]
    census: Census
    annotated: list[Categories]
    """For each row."""
    _candidates: dict[Categories, dict[str, list[_Candidate]]]
    _fitting: dict[Categories, dict[str, list[_Candidate]]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[tuple[StoredDataset, int]]) -> "Photographs":
        """Read what is annotated in these rows, without their images."""
        infos: list[PictureInfo] = []
        annotations: list[Annotation] = []
        candidates: dict[Categories, dict[str, list[_Candidate]]] = {}
        for number, (stored, index) in enumerate(rows):
            row = stored.row(index)
            height, width = row.size
            info = PictureInfo(
                id=number, file_name=row.file_name, height=height, width=width, annotated=row.annotated
            )
            infos.append(info)
            for each in row.objects:
                annotations.append(_annotation(each, info, len(annotations)))
                if _is_candidate(each, height, width):
                    of_category = candidates.setdefault(row.annotated, {}).setdefault(each.category, [])
                    of_category.append(_Candidate(number, each.id))
        return cls(
            rows=rows,
            census=Census.of(Instances("collages", infos, annotations)),
            annotated=[info.annotated for info in infos],
            _candidates=candidates,
        )

    def fitting(self, background: Categories) -> dict[str, list[_Candidate]]:
        """Return the candidates for a background on which only these categories are annotated.

        They are of these categories, and come from photographs on which at least these are annotated: else
        a cut-out could bring along what nobody told of, such as a person's tie.
        """
        if background not in self._fitting:
            found: dict[str, list[_Candidate]] = {}
            for source, by_category in self._candidates.items():
                if source is not None and (background is None or not set(background) <= set(source)):
                    continue
                for category, candidates in by_category.items():
                    if background is None or category in background:
                        found.setdefault(category, []).extend(candidates)
            self._fitting[background] = {category: found[category] for category in sorted(found)}
        return self._fitting[background]

    def read(self, row: int) -> Photograph:
        """Decode a photograph.

        Raises:
            ValueError: it is damaged.
        """
        stored, index = self.rows[row]
        image, reduction = stored.decode(stored.row(index), MAX_SIDE)
        return Photograph(stored.picture(index), image, reduction)

    def cut(self, candidate: _Candidate) -> Cutout | None:
        """Cut the object out; None when it is not whole and clear after all."""
        photograph = self.read(candidate.row)
        objects = {each.id: each for each in photograph.record.objects}
        meant = objects.pop(candidate.object_id)
        mask = photograph.mask(meant)
        box = box_of(mask)
        if box is None or min(box[2] - box[0], box[3] - box[1]) < MIN_SIDE:
            return None
        left, top, right, bottom = box
        height, width = mask.shape
        if min(left, width - right) <= BORDER * width or min(top, height - bottom) <= BORDER * height:
            return None
        inside = (slice(top, bottom), slice(left, right))
        if wholeness(mask[inside]) < MIN_WHOLENESS:
            return None
        for other in objects.values():
            if _do_boxes_meet(meant.box, other.box) and _shared(mask, photograph.mask(other)) > MAX_SHARED:
                return None
        return Cutout(meant.category, photograph.image[inside], mask[inside])


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


def _annotation(each: ObjectRecord, info: PictureInfo, number: int) -> Annotation:
    """Return the object as the source had it, under an id that no other data set's object has."""
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


def _shared(mask: Bool[np.ndarray, "height width"], other: Bool[np.ndarray, "height width"]) -> float:
    """Return the pixels that both have, as a share of the smaller one's."""
    shared, *sizes = (int(np.count_nonzero(each)) for each in (mask & other, mask, other))
    return shared / max(1, min(sizes))
