"""Records of a data set: images, the objects in them, and the sentences that refer to these."""

from dataclasses import dataclass, replace

from cris.masks import Rle

AREA_EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Edges of the classes of mask area, as shares of the image, lower ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRecord:
    """An annotated object of an image."""

    id: int
    """Id, unique within the data set."""
    category: str
    box: tuple[float, float, float, float]
    """Box in COCO's xywh, in pixels."""
    rle: Rle
    """Mask in COCO's compressed run lengths, at the image's size."""
    area: float
    """Area in pixels, as the source gives it."""
    is_crowd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferringEntry:
    """Sentences that mean the same objects of an image."""

    ref_id: int
    """Id, unique within the data set."""
    object_ids: tuple[int, ...]
    """Ids of the objects meant: none, one or several."""
    sentences: tuple[str, ...]
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """An image with everything known about it: one row of a data set."""

    picture_id: int
    """Id, unique within the data set."""
    file_name: str
    """File name in the source."""
    height: int
    """Image height in pixels, after EXIF rotation."""
    width: int
    image: bytes
    """Encoded file, unchanged."""
    objects: tuple[ObjectRecord, ...]
    entries: tuple[ReferringEntry, ...]
    annotated: tuple[str, ...] | None = None
    """Categories in which every object is annotated; None for all that the data set knows."""
    scores: tuple[float, ...] | None = None
    """Score of each entry, where a model drew the masks; None where people did."""

    def of_split(self, split: str) -> "ImageRecord":
        """Return the image with the entries of one split alone, and their scores."""
        places = self.places_of(split)
        return replace(
            self,
            entries=tuple(self.entries[place] for place in places),
            scores=None if self.scores is None else tuple(self.scores[place] for place in places),
        )

    def places_of(self, split: str) -> list[int]:
        """Return the places of a split's entries among all."""
        return [place for place, entry in enumerate(self.entries) if entry.split == split]
