"""Sentences about one's own pictures: JSONL or CSV with image, annotation_id, sentence."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cris.data.annotations.fields import Row, as_row
from cris.data.annotations.instances import Instances
from cris.errors import InputError

_FIELDS = ("image", "annotation_id", "sentence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One sentence of the file."""

    picture_id: int
    object_ids: tuple[int, ...]
    """None, one or several."""
    sentence: str


def read_sentences(path: Path, instances: Instances) -> list[Said]:
    """The sentences, in the file's order; `path` ends in .jsonl or .csv.

    `annotation_id` is one id, several (a list in JSONL, with spaces between in CSV), or none ([], null, or
    nothing) where the sentence means nothing in its picture.

    Raises:
        InputError: a row is not of that form, or of what is not there; names file, row and field.
    """
    readers = {".jsonl": _jsonl, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path} must end in .jsonl or .csv, with the fields {', '.join(_FIELDS)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be in UTF-8: save it so") from error
    pictures = {info.file_name: info.id for info in instances.pictures.values()}
    said = [_said(row, instances, pictures) for row in readers[path.suffix.lower()](path, text)]
    if not said:
        raise InputError(f"{path} has no sentences")
    return said


def _jsonl(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: row {number} is not JSON: {error.msg}") from error
        yield as_row(f"{path}: row {number}", fields)


def _csv(path: Path, text: str) -> Iterator[Row]:
    reader = csv.DictReader(text.splitlines(keepends=True), restval="", strict=True)
    absent = [name for name in _FIELDS if name not in (reader.fieldnames or ())]
    if absent:
        found = ", ".join(reader.fieldnames or ()) or "nothing"
        raise InputError(f"{path}: row 1 must name {', '.join(_FIELDS)}; {absent[0]} is missing, got {found}")
    try:
        for fields in reader:
            ids = [_number(each) for each in fields["annotation_id"].split()]
            yield as_row(f"{path}: row {reader.line_num}", {**fields, "annotation_id": ids})
    except csv.Error as error:
        raise InputError(f"{path}: row {reader.line_num} is not CSV: {error}") from error


def _said(row: Row, instances: Instances, pictures: dict[str, int]) -> Said:
    name = row.text("image")
    if name not in pictures:
        raise InputError(f"{row.where}: image {name!r} is no file_name of {instances.name}")
    object_ids = _object_ids(row)
    for object_id in object_ids:
        annotation = instances.annotations.get(object_id)
        if annotation is None:
            raise InputError(f"{row.where}: annotation_id {object_id} is no annotation of {instances.name}")
        if annotation.picture_id != pictures[name]:
            other = instances.pictures[annotation.picture_id].file_name
            raise InputError(f"{row.where}: annotation_id {object_id} must be in {name}, it is in {other}")
    sentence = " ".join(row.text("sentence").split())
    if not any(sign.isalnum() for sign in sentence):
        raise row.error("sentence", "words", sentence)
    return Said(picture_id=pictures[name], object_ids=object_ids, sentence=sentence)


def _object_ids(row: Row) -> tuple[int, ...]:
    given: Any = row.value("annotation_id")
    ids = [] if given is None else given if isinstance(given, list) else [given]
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in ids) or len(set(ids)) < len(
        ids
    ):
        raise row.error("annotation_id", "an annotation's id, several different ones, or none", given)
    return tuple(sorted(ids))


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text
