"""What to ask: one sentence a line for all pictures, or JSONL or CSV of picture and sentence."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from cris.batch.storage import explained, open_url
from cris.errors import InputError

_FIELDS = ("picture", "sentence")


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """The sentences of a bulk job, none twice."""

    for_all: tuple[str, ...] = ()
    """Asked of every picture."""
    by_picture: dict[str, tuple[str, ...]] | None = None
    """Picture's id or name → what is asked of it alone; None when all pictures are asked the same."""

    def all(self) -> list[str]:
        """Every different sentence, in order."""
        own = (sentence for asked in (self.by_picture or {}).values() for sentence in asked)
        return list(dict.fromkeys([*self.for_all, *own]))


def read_sentences(url: str) -> Sentences:
    """The sentences of a file in UTF-8, local or in an object store.

    A name that ends in `.jsonl` or `.csv` holds rows of `picture` and `sentence`; any other a sentence
    a line.

    Raises:
        InputError: it is not of that form, or has no sentence; names the file and the line.
    """
    with explained(url):
        filesystem, path = open_url(url)
        try:
            text = filesystem.cat_file(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{url} must be in UTF-8: save it so") from error
    readers = {".jsonl": _jsonl, ".csv": _csv}
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in readers:
        lines = (" ".join(line.split()) for line in text.splitlines())
        sentences = Sentences(for_all=tuple(dict.fromkeys(filter(None, lines))))
    else:
        asked: dict[str, dict[str, None]] = {}
        for where, row in readers[suffix](url, text):
            asked.setdefault(_field(where, row, "picture"), {})[_field(where, row, "sentence")] = None
        sentences = Sentences(by_picture={picture: tuple(each) for picture, each in asked.items()})
    if not sentences.all():
        raise InputError(f"{url} has no sentences")
    return sentences


def _jsonl(url: str, text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield f"{url}: line {number}", json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise InputError(f"{url}: line {number} is not JSON: {error}") from error


def _csv(url: str, text: str) -> Iterator[tuple[str, object]]:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        absent = [name for name in _FIELDS if name not in (reader.fieldnames or ())]
        if absent:
            raise InputError(
                f"{url}: line 1 must name the columns {', '.join(_FIELDS)}; {absent[0]} is missing"
            )
        for row in reader:
            yield f"{url}: line {reader.line_num}", row
    except csv.Error as error:
        raise InputError(f"{url}: line {reader.line_num} is not CSV: {error}") from error


def _field(where: str, row: object, name: str) -> str:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: {name} must be text that is not blank, got {value!r}")
    return value if name == "picture" else " ".join(value.split())
