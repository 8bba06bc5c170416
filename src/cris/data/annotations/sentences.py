"""Sentences about the user's own images: JSONL or CSV with image, annotation_id, sentence."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cris.data.annotations.fields import SourceRow, as_row, as_whole
from cris.data.annotations.instances import Instances
from cris.data.annotations.invalid import InvalidRows
from cris.errors import InputError
from cris.names import KnownNames
from cris.text_files import RowReader, csv_rows, decode_text, json_lines

_FIELDS = ("image", "annotation_id", "sentence")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceRow:
    """A sentence of the file."""

    picture_id: int
    object_ids: tuple[int, ...]
    """Ids of the objects meant: none, one or several."""
    sentence: str


def read_sentences(path: Path, instances: Instances, invalid: InvalidRows | None = None) -> list[SentenceRow]:
    """Return the sentences, in the file's order; `path` ends in .jsonl or .csv.

    `annotation_id` is one id, several (a list in JSONL, separated by spaces in CSV), or none ([], null, or
    empty) where the sentence means nothing in its image.

    Raises:
        InputError: a row is malformed or refers to what does not exist, and `invalid` refuses it; names file,
            row and field.
    """
    readers: dict[str, RowReader] = {".jsonl": json_lines, ".csv": partial(csv_rows, columns=_FIELDS)}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path} must end in .jsonl or .csv, with the fields {', '.join(_FIELDS)}")
    invalid = invalid or InvalidRows()
    names = KnownNames(info.file_name for info in instances.images.values())
    images = {info.file_name: info.id for info in instances.images.values()}
    said: list[SentenceRow] = []
    for where, fields in readers[suffix](decode_text(path.read_bytes(), str(path)), f"{path}: row"):
        with invalid.checked("sentences"):
            if isinstance(fields, InputError):
                raise fields
            row = as_row(where, fields)
            if suffix == ".csv":
                ids = [_number(each) for each in row.text("annotation_id").split()]
                row = SourceRow(where, {**row.fields, "annotation_id": ids})
            said.append(_said(row, instances, names, images))
    if not said:
        errors = invalid.left_out.get("sentences", ())
        raise InputError(f"{path} has no sentences" + (f" that are valid: {errors[0]}" if errors else ""))
    return said


def _said(row: SourceRow, instances: Instances, names: KnownNames, images: dict[str, int]) -> SentenceRow:
    name = names.find(row.text("image"))
    if name is None:
        raise InputError(f"{row.where}: image {row.value('image')!r} is no file_name of {instances.name}")
    object_ids = _object_ids(row)
    for object_id in object_ids:
        annotation = instances.annotations.get(object_id)
        if annotation is None:
            raise InputError(f"{row.where}: annotation_id {object_id} is no annotation of {instances.name}")
        if annotation.picture_id != images[name]:
            other = instances.images[annotation.picture_id].file_name
            raise InputError(f"{row.where}: annotation_id {object_id} must be in {name}, it is in {other}")
    sentence = " ".join(row.text("sentence").split())
    if not any(sign.isalnum() for sign in sentence):
        raise row.error("sentence", "words", sentence)
    return SentenceRow(picture_id=images[name], object_ids=object_ids, sentence=sentence)


def _object_ids(row: SourceRow) -> tuple[int, ...]:
    given: Any = row.value("annotation_id")
    ids = []
    for each in [] if given is None else given if isinstance(given, list) else [given]:
        number = as_whole(each)
        if number is None or number in ids:
            raise row.error("annotation_id", "an annotation's id, several different ones, or none", given)
        ids.append(number)
    return tuple(sorted(ids))


def _number(text: str) -> int | str:
    """Return the whole number in a cell, which is 10.0 where pandas wrote it; else the text."""
    match = re.fullmatch(r"(-?[0-9]{1,20})(\.0*)?", text)
    return int(match[1]) if match else text
