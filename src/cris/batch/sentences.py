"""Sentences to ask: one a line for all images, or JSONL or CSV rows of image and sentence."""

from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from cris.batch.storage import explained, open_url
from cris.errors import InputError
from cris.text_files import RowReader, csv_rows, decode_text, json_lines, split_lines

_FIELDS = ("picture", "sentence")


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Sentences of a bulk job, without duplicates."""

    for_all: tuple[str, ...] = ()
    """Sentences asked of every image."""
    by_image: dict[str, tuple[str, ...]] | None = None
    """Image id or name → sentences asked of that image alone; None when all images are asked the same."""

    def all(self) -> list[str]:
        """Return every distinct sentence, in order."""
        own = (sentence for asked in (self.by_image or {}).values() for sentence in asked)
        return list(dict.fromkeys([*self.for_all, *own]))


def read_sentences(url: str) -> Sentences:
    """Return the sentences of a UTF-8 file, local or in an object store.

    A file ending in `.jsonl` or `.csv` holds rows of `picture` and `sentence`; any other holds one sentence
    a line.

    Raises:
        InputError: the file is malformed, or has no sentence; names the file and the line.
    """
    with explained(url):
        filesystem, path = open_url(url)
        text = decode_text(filesystem.cat_file(path), url)
    readers: dict[str, RowReader] = {".jsonl": json_lines, ".csv": partial(csv_rows, columns=_FIELDS)}
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in readers:
        lines = (" ".join(line.split()) for line in split_lines(text))
        sentences = Sentences(for_all=tuple(dict.fromkeys(filter(None, lines))))
    else:
        asked: dict[str, dict[str, None]] = {}
        for where, row in readers[suffix](text, f"{url}: line"):
            asked.setdefault(_field(where, row, "picture"), {})[_field(where, row, "sentence")] = None
        sentences = Sentences(by_image={image: tuple(each) for image, each in asked.items()})
    if not sentences.all():
        raise InputError(f"{url} has no sentences")
    return sentences


def _field(where: str, row: object, name: str) -> str:
    if isinstance(row, InputError):
        raise row
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: {name} must be text that is not blank, got {value!r}")
    return value if name == "picture" else " ".join(value.split())
