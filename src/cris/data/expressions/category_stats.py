"""Statistics of a data set's categories."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from cris.data.annotations.instances import Instances
from cris.data.expressions.nouns import noun_of

NUMEROUS = 2.4
"""Mean number of a category's objects in images that show any, from which on some are likely left out."""
NOTICED_AREA = 0.01
"""Median share of the image from which on nobody overlooks a thing of the category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryStats:
    """Nouns grouped by how reliable their annotations are."""

    numerous: frozenset[str]
    """Nouns that come in numbers or crowds: small ones in an image may well be unannotated."""
    noticed: tuple[str, ...]
    """Nouns whose things are large and few: where none is annotated, there is none."""
    known: frozenset[str] = frozenset()
    """All nouns."""

    @classmethod
    def of(cls, instances: Instances) -> "CategoryStats":
        """Count the annotations, without reading any image."""
        areas: dict[str, list[float]] = {}
        images: dict[str, set[int]] = {}
        crowded: set[str] = set()
        for each in instances.annotations.values():
            noun = noun_of(each.category)
            image = instances.images[each.picture_id]
            pixels = each.box[2] * each.box[3] if each.area is None else each.area
            areas.setdefault(noun, []).append(pixels / (image.height * image.width))
            images.setdefault(noun, set()).add(image.id)
            if each.is_crowd:
                crowded.add(noun)
        numerous = crowded | {noun for noun in areas if len(areas[noun]) >= NUMEROUS * len(images[noun])}
        return cls(
            numerous=frozenset(numerous),
            noticed=tuple(sorted(_noticed(areas, numerous))),
            known=frozenset(areas),
        )


def _noticed(areas: dict[str, list[float]], numerous: set[str]) -> Iterable[str]:
    return (noun for noun in areas if noun and noun not in numerous and median(areas[noun]) >= NOTICED_AREA)
