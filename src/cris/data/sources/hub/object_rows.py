"""The layout of lmms-lab/RefCOCO, RefCOCOplus and RefCOCOg: a row is an object, with its image."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cris.data.annotations.fields import SourceRow
from cris.data.annotations.instances import Annotation, ImageInfo, Instances, image_info
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.references import ReferenceRecord, Sentence
from cris.data.sources.hub.parquet import (
    IMAGE,
    ColumnLayout,
    ParquetImages,
    encoded_image,
    floats_as_written,
    image_size,
    rows,
    split_of_file,
)

UNKNOWN_CATEGORY = "object"
"""Category for all objects, as these files name none."""
LAYOUT = ColumnLayout(
    name="lmms-lab/RefCOCO",
    columns={
        "question_id": pa.string(),
        "image": IMAGE,
        "answer": pa.list_(pa.string()),
        "segmentation": pa.list_(pa.float32()),
        "bbox": pa.list_(pa.float32()),
        "iscrowd": pa.int8(),
        "file_name": pa.string(),
    },
)
_COCO_NAME = re.compile(r"(COCO_(?:train|val)2014_(\d{12}))(?:_\d+)?(\.\w+)")
"""Pattern of COCO's file names, to which the family adds the number of the referred object."""
_SAME_BOX_PIXELS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRows:
    """Contents of the files."""

    references: list[ReferenceRecord]
    instances: Instances
    contents: ParquetImages
    remarks: list[str]


def read_object_rows(files: Sequence[Path], invalid: InvalidRows) -> ObjectRows:
    """Return the references, objects and images of files in that layout.

    Rows of the same image are found by its file name; COCO's image ids are in the names, other images
    get running numbers, as all objects and references do. A polygon that does not fill its box is one of
    several, of which the others are lost: they are counted.

    Raises:
        InputError: a row is malformed, and `invalid` refuses it; names file, row and field.
    """
    table = _Collector()
    place = 0
    for path in files:
        split = split_of_file(path)
        for row in rows([path], list(LAYOUT.columns)):
            with invalid.checked("rows"):
                table.add(row, split, place)
            place += 1
    remarks = []
    if table.partial:
        remarks.append(
            f"{table.partial:,} of {len(table.annotations):,} objects have a polygon that does not fill "
            "their box: these files keep one polygon of each, so masks of several parts are not whole"
        )
    return ObjectRows(
        references=table.references,
        instances=Instances(str(files[0].parent), table.images.values(), table.annotations.values(), invalid),
        contents=ParquetImages(files, table.places),
        remarks=remarks,
    )


class _Collector:
    """Collector of rows into images, objects and references."""

    def __init__(self) -> None:
        self.images: dict[str, ImageInfo] = {}
        self.annotations: dict[tuple[object, ...], Annotation] = {}
        self.references: list[ReferenceRecord] = []
        self.places: dict[int, int] = {}
        self.partial = 0

    def add(self, row: SourceRow, split: str, place: int) -> None:
        image = self._image(row, place)
        annotation = self._annotation(row, image)
        self.references.append(
            ReferenceRecord(
                where=row.where,
                key=row.text("question_id"),
                id=len(self.references),
                picture_id=image.id,
                object_ids=(annotation.id,),
                split=split,
                sentences=tuple(Sentence(text=str(text or "").strip()) for text in row.rows("answer")),
            )
        )

    def _image(self, row: SourceRow, place: int) -> ImageInfo:
        name = row.text("file_name")
        coco = _COCO_NAME.fullmatch(name)
        file_name = coco[1] + coco[3] if coco else name
        height, width = image_size(row, encoded_image(row))
        info = self.images.get(file_name)
        if info is None:
            # beyond COCO's numbers, which have 12 digits, where a name has none
            number = int(coco[2]) if coco else 10**12 + len(self.images)
            fields = {"id": number, "file_name": file_name, "height": height, "width": width}
            info = image_info(SourceRow(row.where, fields))
            if number in self.places:
                raise row.error("file_name", "another name for another image", name)
            self.images[file_name] = info
            self.places[number] = place
        elif (height, width) != (info.height, info.width):
            expected = f"of {info.height}×{info.width} pixels, as in an earlier row of {file_name}"
            raise row.error("image", expected, f"{height}×{width}")
        return info

    def _annotation(self, row: SourceRow, image: ImageInfo) -> Annotation:
        polygon = floats_as_written(row.numbers("segmentation"))
        left, top, width, height = box = _box(row)
        key = (image.id, box, tuple(polygon))
        if key not in self.annotations:
            self.annotations[key] = Annotation(
                where=row.where,
                id=len(self.annotations),
                picture_id=image.id,
                category=UNKNOWN_CATEGORY,
                box=box,
                area=None,
                is_crowd=row.flag("iscrowd"),
                segmentation=[polygon],
            )
            sides = (left, top, left + width, top + height)
            self.partial += not _fills(polygon, sides)
        return self.annotations[key]


def _box(row: SourceRow) -> tuple[float, float, float, float]:
    left, top, width, height = floats_as_written(row.box("bbox"))
    return left, top, width, height


def _fills(polygon: Sequence[float], sides: Sequence[float]) -> bool:
    """Check whether the polygon reaches every side of the box."""
    if len(polygon) < 2:
        return False
    x, y = polygon[::2], polygon[1::2]
    reached = (min(x), min(y), max(x), max(y))
    return all(abs(a - b) <= _SAME_BOX_PIXELS for a, b in zip(reached, sides, strict=True))
