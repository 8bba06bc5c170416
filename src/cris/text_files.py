"""Files of text that people wrote: UTF-8, lines, and rows of CSV or JSONL."""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cris.errors import InputError

RowReader = Callable[[str, str], Iterator[tuple[str, Any]]]
"""Reader of a text whose rows have that name: yields each row's place, and its value or an InputError."""

_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_text(content: bytes, name: str) -> str:
    """Return the text of a file in UTF-8, without its byte order mark.

    Raises:
        InputError: it is in another encoding, such as PowerShell's UTF-16; names the file.
    """
    is_utf16 = content.startswith(_BYTE_ORDER_MARKS)
    try:
        if not is_utf16:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} must be in UTF-8, byte {error.start} is not: save the file as UTF-8"
        ) from error
    raise InputError(f"{name} must be in UTF-8, it is in UTF-16: save the file as UTF-8")


def split_lines(text: str) -> list[str]:
    r"""Return the lines as editors show them: they end with \n, \r\n or \r, not with U+2028 or U+0085."""
    return io.StringIO(text, newline=None).read().split("\n")


def csv_rows(
    text: str, where: str, columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, str] | InputError]]:
    """Yield each row's place (`where` and its line) and its fields, or the error that it has too many.

    Fields that a row lacks at its end are empty.

    Raises:
        InputError: the text is no CSV, or its first line lacks one of the columns.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader, [])
        absent = [name for name in columns if name not in names]
        if absent:
            found = ", ".join(names) or "nothing"
            raise InputError(f"{where} 1 must name {', '.join(columns)}; {absent[0]} is missing, got {found}")
        for cells in reader:
            place = f"{where} {reader.line_num}"
            if len(cells) > len(names):
                expected = f"{len(names)} fields ({', '.join(names)})"
                hint = "put a sentence with a comma in double quotes"
                yield place, InputError(f"{place} must have {expected}, got {len(cells)}: {hint}")
            elif cells:
                yield place, dict.fromkeys(names, "") | dict(zip(names, cells, strict=False))
    except csv.Error as error:
        raise InputError(f"{where} {reader.line_num} is not CSV: {error}") from error


def json_lines(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """Yield the place (`where` and its number) and the value of each line that is not blank.

    The value is an InputError where the line is no JSON.
    """
    for number, line in enumerate(split_lines(text), start=1):
        if line.strip():
            place = f"{where} {number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                value = InputError(f"{place} is not JSON: {error}")
            yield place, value
