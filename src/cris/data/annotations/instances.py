"""COCO's instances: images and their annotated objects."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cris.data.annotations.fields import Box, SourceRow, as_row, as_text, read_json
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.polygons import check_in_image, check_size, rle_area, segmentation_rle
from cris.data.paths import check_relative
from cris.data.records import ObjectRecord
from cris.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """Metadata of an image, besides its file."""

    id: int
    file_name: str
    height: int
    width: int
    annotated: tuple[str, ...] | None = None
    """Categories in which every object is annotated; None for all of the source's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """An object as it is annotated; all is checked except the shape of its mask."""

    where: str
    """File and row, as errors name them."""
    id: int
    picture_id: int
    category: str
    box: Box
    area: float | None
    """Area in pixels; None where the source does not say."""
    is_crowd: bool
    segmentation: Any
    category_id: int | None = None
    """Number of the category; None where the source has only names."""

    def object(self, image: ImageInfo, *, is_meant: bool = False) -> ObjectRecord:
        """Return the object with its mask.

        Raises:
            InputError: the mask is not one of COCO's, of another size than the image or outside it, or has
                no pixel though a sentence refers to the object.
        """
        try:
            rle = segmentation_rle(self.segmentation, image.height, image.width)
            check_in_image(self.segmentation, image.height, image.width)
            if is_meant and not rle_area(rle):
                raise InputError(
                    "segmentation must cover at least one pixel of an object that a sentence is about, "
                    "it covers none: draw the object again, or leave out its sentences"
                )
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error
        return ObjectRecord(
            id=self.id,
            category=self.category,
            box=self.box,
            rle=rle,
            area=float(rle_area(rle)) if self.area is None else self.area,
            is_crowd=self.is_crowd,
        )


class Instances:
    """Images and annotations, indexed by id."""

    def __init__(
        self,
        name: str,
        images: Iterable[ImageInfo],
        annotations: Iterable[Annotation],
        invalid: InvalidRows | None = None,
    ) -> None:
        """Index images and annotations; `name` is what errors call their source.

        Raises:
            InputError: an id occurs twice, or an annotation has no image or another size than its image,
                and `invalid` refuses that.
        """
        self.name = name
        self.images: dict[int, ImageInfo] = {}
        self.annotations: dict[int, Annotation] = {}
        self._ids: dict[int, list[int]] = {}
        invalid = invalid or InvalidRows()
        for image in images:
            with invalid.checked("images"):
                if image.id in self.images:
                    raise InputError(f"{name}: image id {image.id} is there twice")
                self.images[image.id] = image
        for annotation in annotations:
            try:
                self._add(annotation)
            except InputError as error:
                invalid.refuse("annotations", error)
                self.mark_incomplete(annotation.picture_id)

    def of_image(self, picture_id: int) -> list[Annotation]:
        """Return an image's annotations, sorted by id."""
        return [self.annotations[each] for each in sorted(self._ids.get(picture_id, ()))]

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Return the categories that have annotations, sorted by name."""
        return tuple(sorted({annotation.category for annotation in self.annotations.values()}))

    def mark_incomplete(self, picture_id: object) -> None:
        """Mark an image as showing unannotated objects: generated sentences must name nothing in it."""
        if isinstance(picture_id, int) and picture_id in self.images:
            self.images[picture_id] = replace(self.images[picture_id], annotated=())

    def _add(self, annotation: Annotation) -> None:
        if annotation.id in self.annotations:
            raise InputError(f"{annotation.where}: id {annotation.id} is there twice")
        image = self.images.get(annotation.picture_id)
        if image is None:
            raise InputError(
                f"{annotation.where}: image_id {annotation.picture_id} is no image of {self.name}"
            )
        try:
            check_size(annotation.segmentation, image.height, image.width)
        except InputError as error:
            raise InputError(f"{annotation.where}: {error}") from error
        self.annotations[annotation.id] = annotation
        self._ids.setdefault(annotation.picture_id, []).append(annotation.id)


def read_instances(path: Path, invalid: InvalidRows | None = None) -> Instances:
    """Return the images and annotations of COCO's instances.json.

    Raises:
        InputError: the file or a row is malformed, and for a row `invalid` refuses that.
    """
    invalid = invalid or InvalidRows()
    content = as_row(str(path), read_json(path))
    categories = {}
    for number, fields in enumerate(content.rows("categories")):
        row = as_row(f"{path}: categories row {number}", fields)
        categories[row.whole("id")] = row.text("name")
    images = []
    for number, fields in enumerate(content.rows("images")):
        with invalid.checked("images"):
            row = as_row(f"{path}: images row {number}", fields)
            image = image_info(row)
            if unknown := set(image.annotated or ()) - set(categories.values()):
                raise row.error("annotated", '"all" or some of the categories', min(unknown))
            images.append(image)
    annotations, incomplete = [], []
    for number, fields in enumerate(content.rows("annotations")):
        try:
            row = as_row(f"{path}: annotations row {number}", fields)
            annotations.append(annotation_of(row, categories))
        except InputError as error:
            invalid.refuse("annotations", error)
            incomplete.append(fields.get("image_id") if isinstance(fields, dict) else None)
    instances = Instances(str(path), images, annotations, invalid)
    for picture_id in incomplete:
        instances.mark_incomplete(picture_id)
    return instances


def image_info(row: SourceRow) -> ImageInfo:
    """Return an image of COCO's `images`."""
    file_name = row.text("file_name")
    try:
        check_relative(file_name)
    except InputError as error:
        raise InputError(f"{row.where}: file_name: {error}") from error
    return ImageInfo(
        id=row.whole("id"),
        file_name=file_name,
        height=row.whole("height", least=1),
        width=row.whole("width", least=1),
        annotated=_annotated(row),
    )


def _annotated(row: SourceRow) -> tuple[str, ...] | None:
    """Return the completely annotated categories: a name or a list of them; None for all."""
    value = row.fields.get("annotated")
    if value is None or as_text(value) == "all":
        return None
    names = tuple(as_text(name) for name in (value if isinstance(value, list | tuple) else [value]))
    if not all(isinstance(name, str) for name in names):
        raise row.error("annotated", '"all", a category or a list of categories', value)
    return names


def annotation_of(row: SourceRow, categories: dict[int, str]) -> Annotation:
    """Return an annotation of COCO's `annotations`."""
    category = row.whole("category_id")
    if category not in categories:
        raise row.error("category_id", "one of the categories", category)
    area = row.finite("area", [row.fields["area"]])[0] if row.fields.get("area") is not None else None
    if area is not None and area < 0:
        raise row.error("area", "0 or more pixels", area)
    segmentation = row.value("segmentation")
    if not isinstance(segmentation, list | dict):
        raise row.error("segmentation", "polygons or run lengths", segmentation)
    return Annotation(
        where=row.where,
        id=row.whole("id"),
        picture_id=row.whole("image_id"),
        category=categories[category],
        category_id=category,
        box=row.box("bbox"),
        area=area,
        is_crowd=row.flag("iscrowd") if "iscrowd" in row.fields else False,
        segmentation=segmentation,
    )
