"""Referring expressions in the RefCOCO family's files: which object of which image is meant."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cris.data.annotations.fields import SourceRow, as_row, as_text, as_whole, read_json
from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.pickles import read_pickle
from cris.errors import InputError

SPLITS = ("train", "val", "test", "testA", "testB")
SPLIT_SIZES = {
    "refcoco": {"train": 42_404, "val": 3_811, "testA": 1_975, "testB": 1_810},
    "refcoco+": {"train": 42_278, "val": 3_805, "testA": 1_975, "testB": 1_798},
    "refcocog-umd": {"train": 42_226, "val": 2_573, "test": 5_023},
    "refcocog-google": {"train": 44_822, "val": 5_000},
}
"""Data set → split → number of references, as many as referred objects, as published."""
_NONE = -1
"""gRefCOCO's annotation id for "nothing is meant"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A referring expression."""

    text: str
    id: str | None = None
    """Id in the source; None where it does not identify single sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRecord:
    """Target of some sentences: none, one or several objects of an image."""

    where: str
    """File and row, as errors name them."""
    key: str
    """Id in the source, as used in a list of ids to drop."""
    id: int
    picture_id: int
    object_ids: tuple[int, ...]
    split: str
    sentences: tuple[Sentence, ...]
    category_ids: tuple[int, ...] = ()
    """Categories of the objects, one for each; empty where the source does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSize:
    """Number of references in a split."""

    split: str
    found: int
    published: int | None
    """Published number; None where nothing is published."""

    def __str__(self) -> str:
        """Return both numbers, or how many more or fewer there are."""
        if self.published is None:
            return f"{self.split}: {self.found:,} references"
        if self.found == self.published:
            return f"{self.split}: {self.found:,} references, as published"
        more = self.found - self.published
        return f"{self.split}: {self.found:,} references, {more:+,} against the published {self.published:,}"


def read_references(path: Path, invalid: InvalidRows | None = None) -> list[ReferenceRecord]:
    """Return the references in `refs(…).p` or `grefs(unc).json`.

    Raises:
        InputError: the file is malformed, or asks for more than plain values, or a row is malformed and
            `invalid` refuses it.
    """
    invalid = invalid or InvalidRows()
    rows = read_json(path) if path.suffix == ".json" else read_pickle(path)
    if not isinstance(rows, list | tuple):
        raise InputError(f"{path} must hold a list of references, got {type(rows).__name__}")
    references = []
    seen: dict[int, str] = {}
    for number, fields in enumerate(rows):
        with invalid.checked("references"):
            reference = _reference(as_row(f"{path}: row {number}", fields))
            if reference.id in seen:
                raise InputError(
                    f"{reference.where}: ref_id {reference.id} is that of {seen[reference.id]} too"
                )
            seen[reference.id] = f"row {number}"
            references.append(reference)
    return references


def split_of(row: SourceRow, name: str = "split") -> str:
    """Return the field that names a split."""
    split = row.text(name)
    if split not in SPLITS:
        raise row.error(name, f"one of {', '.join(SPLITS)}", split)
    return split


def split_sizes(references: Iterable[ReferenceRecord], data_set: str | None) -> list[SplitSize]:
    """Return the number of references in each split, beside the published number for that data set."""
    found = Counter(reference.split for reference in references)
    published = SPLIT_SIZES.get(data_set or "", {})
    return [
        SplitSize(split=split, found=found[split], published=published.get(split))
        for split in sorted({*found, *published}, key=_split_order)
    ]


def data_set_of(path: Path, references: Sequence[ReferenceRecord]) -> str | None:
    """Return the family's data set that the file is, by its name, folder and size; None if none fits."""
    match = re.search(r"(g?refs)\((unc|umd|google)\)", path.name)
    if match is None:
        return None
    kind, partition = match.groups()
    folder = path.resolve().parent.name.lower()
    if kind == "grefs":
        return "grefcoco"
    if partition == "umd":
        return "refcocog-umd"
    if partition == "google":  # RefCOCO has a google partition too, for which the table has no sizes
        return None if folder == "refcoco" else "refcocog-google"
    if folder in ("refcoco", "refcoco+"):
        return folder
    sizes = {name: sum(SPLIT_SIZES[name].values()) for name in ("refcoco", "refcoco+")}
    return min(sizes, key=lambda name: abs(sizes[name] - len(references)))


def _reference(row: SourceRow) -> ReferenceRecord:
    number = row.whole("ref_id")
    object_ids = _object_ids(row)
    return ReferenceRecord(
        where=row.where,
        key=str(number),
        id=number,
        picture_id=row.whole("image_id"),
        object_ids=object_ids,
        category_ids=_category_ids(row, len(object_ids)),
        split=split_of(row),
        sentences=tuple(
            sentence_of(as_row(f"{row.where}: sentences row {place}", fields))
            for place, fields in enumerate(row.rows("sentences"))
        ),
    )


def _object_ids(row: SourceRow) -> tuple[int, ...]:
    """Return object ids: RefCOCO gives one id, gRefCOCO a list of them, [-1] for none."""
    given: Any = row.value("ann_id")
    ids = []
    for each in given if isinstance(given, list | tuple) else [given]:
        number = as_whole(each)
        if number is None:
            raise row.error("ann_id", "an annotation's id or a list of them", given)
        if number != _NONE:
            ids.append(number)
    if len(set(ids)) < len(ids):
        raise row.error("ann_id", "ids of which none is there twice", given)
    if row.fields.get("no_target") and ids:
        raise row.error("ann_id", "-1, as no_target is set", given)
    return tuple(ids)


def _category_ids(row: SourceRow, count: int) -> tuple[int, ...]:
    """Return the category of each of `count` objects; empty unless it is given for each."""
    given: Any = row.fields.get("category_id")
    ids = [as_whole(each) for each in (given if isinstance(given, list | tuple) else [given] * count)]
    known = tuple(each for each in ids if each is not None)
    return known if len(known) == len(ids) == count else ()


def sentence_of(row: SourceRow) -> Sentence:
    """Return one of a reference's sentences: `sent`, the cleaned text used by every published figure."""
    given = row.fields.get("sent_id")
    number = as_whole(given)
    name = as_text(given) if number is None else number
    return Sentence(text=row.text("sent").strip(), id=None if given is None else str(name))


def _split_order(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)
