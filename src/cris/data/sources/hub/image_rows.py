"""The layout of moondream/refcoco-m: a row is an image with its objects, masks and sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cris.data.annotations.fields import SourceRow, as_row
from cris.data.annotations.instances import Annotation, ImageInfo, Instances, image_info
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.references import ReferenceRecord, Sentence
from cris.data.sources.hub.parquet import (
    IMAGE,
    ColumnLayout,
    ParquetImages,
    encoded_image,
    image_size,
    rows,
    split_of_file,
)

_SAMPLE = pa.struct(
    {
        "id": pa.int64(),
        "category": pa.string(),
        "sentences": pa.list_(pa.string()),
        "bbox": pa.list_(pa.float32()),
        "mask": pa.struct({"counts": pa.string(), "size": pa.list_(pa.int32())}),
    }
)
LAYOUT = ColumnLayout(
    name="moondream/refcoco-m",
    columns={
        "image": IMAGE,
        "image_id": pa.int64(),
        "file_name": pa.string(),
        "samples": pa.list_(_SAMPLE),
    },
    optional=("image_id", "file_name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRows:
    """Contents of the files."""

    references: list[ReferenceRecord]
    instances: Instances
    contents: ParquetImages


def read_image_rows(files: Sequence[Path], invalid: InvalidRows) -> ImageRows:
    """Return the references, objects and images of files in that layout.

    An image without an id of its own gets the number of its row, which also becomes its name.

    Raises:
        InputError: a row is malformed, and `invalid` refuses it; names file, row and field.
    """
    images: list[ImageInfo] = []
    annotations: list[Annotation] = []
    references: list[ReferenceRecord] = []
    places: dict[int, int] = {}
    place = -1
    for path in files:
        split = split_of_file(path)
        for row in rows([path], list(LAYOUT.columns)):
            place += 1
            with invalid.checked("rows"):
                image = _image(row, place)
                samples = row.rows("samples")
                places[image.id] = place
                images.append(image)
                for number, fields in enumerate(samples):
                    with invalid.checked("samples"):
                        sample = as_row(f"{row.where}: samples row {number}", fields)
                        annotation = _annotation(sample, image)
                        references.append(_reference(sample, image, split))
                        annotations.append(annotation)
    return ImageRows(
        references=references,
        instances=Instances(str(files[0].parent), images, annotations, invalid),
        contents=ParquetImages(files, places),
    )


def _image(row: SourceRow, number: int) -> ImageInfo:
    height, width = image_size(row, encoded_image(row))
    fields = {
        "id": row.whole("image_id") if row.fields.get("image_id") is not None else number,
        "file_name": row.text("file_name") if row.fields.get("file_name") else f"{number}",
        "height": height,
        "width": width,
    }
    return image_info(SourceRow(row.where, fields))


def _annotation(sample: SourceRow, image: ImageInfo) -> Annotation:
    return Annotation(
        where=sample.where,
        id=sample.whole("id"),
        picture_id=image.id,
        category=sample.text("category"),
        box=sample.box("bbox"),
        area=None,
        is_crowd=False,
        segmentation=dict(as_row(f"{sample.where}: mask", sample.value("mask")).fields),
    )


def _reference(sample: SourceRow, image: ImageInfo, split: str) -> ReferenceRecord:
    number = sample.whole("id")
    return ReferenceRecord(
        where=sample.where,
        key=str(number),
        id=number,
        picture_id=image.id,
        object_ids=(number,),
        split=split,
        sentences=tuple(Sentence(text=str(text or "").strip()) for text in sample.rows("sentences")),
    )
