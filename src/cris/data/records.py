"""What a data set holds: pictures, the objects in them, and the sentences that refer to these."""

from dataclasses import dataclass

from cris.masks import Rle

AREA_EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Shares of the picture that bound the classes of mask areas, low ones included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRecord:
    """One annotated object of a picture."""

    id: int
    """Unique within the data set."""
    category: str
    box: tuple[float, float, float, float]
    """COCO's xywh, in pixels."""
    rle: Rle
    """COCO's compressed run lengths, of the picture's size."""
    area: float
    """As the source tells it, in pixels."""
    is_crowd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferringEntry:
    """Some sentences that mean the same objects of a picture."""

    ref_id: int
    """Unique within the data set."""
    object_ids: tuple[int, ...]
    """The objects meant: none, one or several."""
    sentences: tuple[str, ...]
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecord:
    """A picture with everything that is known of it: one row of a data set."""

    picture_id: int
    """Unique within the data set."""
    file_name: str
    """What the source calls it."""
    height: int
    """In pixels, once the picture is upright."""
    width: int
    image: bytes
    """The encoded file, untouched."""
    objects: tuple[ObjectRecord, ...]
    entries: tuple[ReferringEntry, ...]
    annotated: tuple[str, ...] | None = None
    """Categories of which every object is annotated; None: all that the data set knows."""
