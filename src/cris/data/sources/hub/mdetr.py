"""MDETR's re-release of the RefCOCO family: finetune_refcoco_train.json and its kin."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cris.data.annotations.fields import SourceRow, as_row, read_json
from cris.data.annotations.instances import (
    Annotation,
    ImageInfo,
    Instances,
    annotation_of,
    image_info,
    read_instances,
)
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.references import SPLITS, ReferenceRecord, Sentence
from cris.errors import InputError

_FILE = re.compile(r"finetune_(g?refcoco[+g]?)_(\w+)\.json")
_DATA_SETS = {"refcocog": "refcocog-umd"}
"""Data sets that MDETR names otherwise: its RefCOCOg is UMD's partition."""


def mdetr_files(folder: Path) -> list[Path]:
    """Return MDETR's annotation files in a folder, sorted by name."""
    return sorted(path for path in folder.glob("*.json") if _FILE.fullmatch(path.name))


def read_mdetr(
    files: Sequence[Path], instances: Path | None, invalid: InvalidRows
) -> tuple[list[ReferenceRecord], Instances, str]:
    """Return references, annotations and the name of one data set, from one file for each split.

    A row is a sentence with its boxes; those about the same objects become one reference. MDETR's own
    files have no masks: `instances`, COCO's file, has them.

    Raises:
        InputError: a file is malformed, or a row is and `invalid` refuses that, or there are no
            masks.
    """
    names = {path: _names(path) for path in files}
    data_sets = {data_set for data_set, _ in names.values()}
    if len(data_sets) > 1:
        raise InputError(
            f"files must be of one data set, got {', '.join(sorted(data_sets))}: move all but one away"
        )
    rows = [row for path in files for row in _sentences(path, names[path][1], invalid)]
    if instances is not None:
        source = read_instances(instances, invalid)
    else:
        source = _own_instances(rows)
    data_set = data_sets.pop()
    return _references(rows), source, _DATA_SETS.get(data_set, data_set)


class _SentenceRow:
    """A row of `images`, which is a sentence, and its boxes."""

    def __init__(self, row: SourceRow, split: str, categories: dict[int, str]) -> None:
        self.row, self.split, self.categories = row, split, categories
        self.id = row.whole("id")
        self.image = image_info(SourceRow(row.where, {**row.fields, "id": row.value("original_id")}))
        self.caption = row.text("caption").strip()
        self.boxes: list[SourceRow] = []

    def object_ids(self) -> tuple[int, ...]:
        """Return the ids of COCO's annotations; gRefCOCO's `empty` boxes stand for none."""
        return tuple(row.whole("original_id") for row in self.boxes if not row.fields.get("empty"))

    def annotations(self) -> Iterator[Annotation]:
        """Yield the boxes with their masks, under COCO's ids."""
        for row in self.boxes:
            if row.fields.get("empty"):
                continue
            if "segmentation" not in row.fields:
                raise InputError(
                    f"{row.where}: segmentation is missing: pass --instances, COCO's instances_train2014.json"
                )
            ids = {"id": row.whole("original_id"), "image_id": self.image.id}
            yield annotation_of(SourceRow(row.where, {**row.fields, **ids}), self.categories)


def _names(path: Path) -> tuple[str, str]:
    match = _FILE.fullmatch(path.name)
    if match is None or match[2] not in SPLITS:
        raise InputError(f"{path}: name must be finetune_DATASET_SPLIT.json, with one of {', '.join(SPLITS)}")
    return match[1], match[2]


def _sentences(path: Path, split: str, invalid: InvalidRows) -> list[_SentenceRow]:
    content = as_row(str(path), read_json(path))
    categories = {}
    for number, fields in enumerate(content.rows("categories")):
        row = as_row(f"{path}: categories row {number}", fields)
        categories[row.whole("id")] = row.text("name")
    rows: dict[int, _SentenceRow] = {}
    for number, fields in enumerate(content.rows("images")):
        with invalid.checked("sentences"):
            sentence = _SentenceRow(as_row(f"{path}: images row {number}", fields), split, categories)
            if sentence.id in rows:
                raise InputError(f"{sentence.row.where}: id {sentence.id} is there twice")
            rows[sentence.id] = sentence
    for number, fields in enumerate(content.rows("annotations")):
        with invalid.checked("boxes"):
            row = as_row(f"{path}: annotations row {number}", fields)
            if row.whole("image_id") not in rows:
                raise row.error("image_id", "the id of one of the images", row.value("image_id"))
            rows[row.whole("image_id")].boxes.append(row)
    whole: list[_SentenceRow] = []
    for sentence in rows.values():
        with invalid.checked("sentences"):
            sentence.object_ids()  # without one of its objects it would mean something else
            whole.append(sentence)
    return whole


def _own_instances(rows: Sequence[_SentenceRow]) -> Instances:
    images: dict[int, ImageInfo] = {}
    annotations: dict[int, Annotation] = {}
    for row in rows:
        known = images.setdefault(row.image.id, row.image)
        if known != row.image:
            raise row.row.error("height and width", f"{known.height}×{known.width} as before", row.image)
        for annotation in row.annotations():
            annotations.setdefault(annotation.id, annotation)
    return Instances(rows[0].row.where if rows else "", images.values(), annotations.values())


def _references(rows: Sequence[_SentenceRow]) -> list[ReferenceRecord]:
    groups: dict[tuple[int, str, tuple[int, ...]], list[_SentenceRow]] = {}
    for row in rows:
        groups.setdefault((row.image.id, row.split, row.object_ids()), []).append(row)
    return [
        ReferenceRecord(
            where=group[0].row.where,
            key=str(number),
            id=number,
            picture_id=picture_id,
            object_ids=object_ids,
            split=split,
            sentences=tuple(Sentence(text=row.caption, id=str(row.id)) for row in group),
        )
        for number, ((picture_id, split, object_ids), group) in enumerate(groups.items())
    ]
