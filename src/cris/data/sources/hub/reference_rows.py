"""The layout of jxu124/refcoco, refcocoplus and refcocog: a row is a reference; images are separate."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from cris.data.annotations.fields import SourceRow, as_row
from cris.data.annotations.instances import Annotation, ImageInfo, Instances, annotation_of, image_info
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.references import ReferenceRecord, sentence_of, split_of
from cris.data.sources.hub.coco_categories import COCO_CATEGORIES
from cris.data.sources.hub.parquet import ColumnLayout, rows
from cris.errors import InputError

LAYOUT = ColumnLayout(
    name="jxu124/refcoco",
    columns={
        "sentences": pa.list_(pa.struct({"sent": pa.string(), "sent_id": pa.int64()})),
        "ref_id": pa.int64(),
        "ann_id": pa.int64(),
        "image_id": pa.int64(),
        "split": pa.string(),
        "raw_anns": pa.string(),
        "raw_image_info": pa.string(),
    },
)


def read_reference_rows(
    files: Sequence[Path], invalid: InvalidRows
) -> tuple[list[ReferenceRecord], Instances]:
    """Return the references of files in that layout, and the objects they mean; there are no others.

    The box is that of the raw annotation, as the column `bbox` has corners.

    Raises:
        InputError: a row is malformed, and `invalid` refuses it; names file, row and field.
    """
    references: dict[int, ReferenceRecord] = {}
    images: dict[int, ImageInfo] = {}
    annotations: dict[int, Annotation] = {}
    for row in rows(files, list(LAYOUT.columns)):
        with invalid.checked("rows"):
            image = image_info(_inner(row, "raw_image_info"))
            annotation = annotation_of(_inner(row, "raw_anns"), COCO_CATEGORIES)
            if image.id != row.whole("image_id"):
                raise row.error("image_id", f"that of raw_image_info, {image.id}", row.value("image_id"))
            if annotation.id != row.whole("ann_id"):
                raise row.error("ann_id", f"that of raw_anns, {annotation.id}", row.value("ann_id"))
            if images.setdefault(image.id, image) != image:
                raise row.error("raw_image_info", "that of the earlier rows of its image", image)
            annotations.setdefault(annotation.id, annotation)
            reference = _reference(row, image, annotation)
            if reference.id in references:
                raise InputError(
                    f"{row.where}: ref_id {reference.id} is that of {references[reference.id].where} too"
                )
            references[reference.id] = reference
    instances = Instances(str(files[0].parent), images.values(), annotations.values(), invalid)
    return list(references.values()), instances


def _reference(row: SourceRow, image: ImageInfo, annotation: Annotation) -> ReferenceRecord:
    number = row.whole("ref_id")
    return ReferenceRecord(
        where=row.where,
        key=str(number),
        id=number,
        picture_id=image.id,
        object_ids=(annotation.id,),
        split=split_of(row),
        sentences=tuple(
            sentence_of(as_row(f"{row.where}: sentences row {place}", fields))
            for place, fields in enumerate(row.rows("sentences"))
        ),
    )


def _inner(row: SourceRow, name: str) -> SourceRow:
    """Return the fields inside a column of JSON text."""
    try:
        fields = json.loads(row.text(name))
    except (json.JSONDecodeError, RecursionError) as error:
        raise row.error(name, "JSON", row.value(name)) from error
    if isinstance(fields, list) and len(fields) == 1:
        fields = fields[0]
    return as_row(f"{row.where}: {name}", fields)
