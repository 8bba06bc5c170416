"""Rows of foreign files: fields are checked when they are read, and errors name file, row and field."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cris.errors import InputError

_INT64 = range(-(2**63), 2**63)
_EXACT_FLOAT = 2**53
"""Largest whole float that stands for one whole number alone."""

Box = tuple[float, float, float, float]
"""Left, top, width and height, in pixels."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of a source."""

    where: str
    """File and row, as errors name them."""
    fields: Mapping[Any, Any]

    def error(self, name: str, expected: str, got: object) -> InputError:
        """Return the error to raise when a field is not as expected."""
        return InputError(f"{self.where}: {name} must be {expected}, got {shortened(got)}")

    def value(self, name: str) -> Any:
        """Return the field as it is; it must be there."""
        if name not in self.fields:
            raise InputError(
                f"{self.where}: {name} is missing; the fields are {', '.join(map(str, self.fields))}"
            )
        return self.fields[name]

    def whole(self, name: str, *, least: int | None = None) -> int:
        """Return a whole number."""
        value = self.value(name)
        number = as_whole(value)
        if number is None or (least is not None and number < least):
            is_large = isinstance(value, int) and value not in _INT64
            size = " of at most 64 bits" if is_large else "" if least is None else f" from {least} on"
            raise self.error(name, f"a whole number{size}", value)
        return number

    def text(self, name: str) -> str:
        """Return text, which Python 2 may have written."""
        text = as_text(self.value(name))
        if not isinstance(text, str):
            raise self.error(name, "text", text)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise self.error(name, "text without halves of a surrogate pair", text) from error
        return text

    def numbers(self, name: str) -> list[float]:
        """Return a list of finite numbers."""
        return self.finite(name, self.value(name))

    def finite(self, name: str, numbers: object) -> list[float]:
        """Return the numbers, which belong to that field, as a list of finite floats."""
        if not isinstance(numbers, list | tuple):
            raise self.error(name, "a list of numbers", numbers)
        for number in numbers:
            if not isinstance(number, int | float) or isinstance(number, bool) or not is_finite(number):
                raise self.error(name, "a list of finite numbers", numbers)
        return [float(number) for number in numbers]

    def box(self, name: str) -> Box:
        """Return COCO's box: left, top, width, height."""
        numbers = self.numbers(name)
        if len(numbers) != 4 or min(numbers[2:]) < 0:
            raise self.error(name, "left, top, width, height", self.value(name))
        left, top, width, height = numbers
        return left, top, width, height

    def flag(self, name: str) -> bool:
        """Return a flag: 0 or 1, false or true."""
        value = self.value(name)
        if value not in (0, 1):
            raise self.error(name, "0 or 1", value)
        return bool(value)

    def rows(self, name: str) -> list[Any]:
        """Return a list."""
        rows = self.value(name)
        if not isinstance(rows, list | tuple):
            raise self.error(name, "a list", rows)
        return list(rows)


def as_whole(value: object) -> int | None:
    """Return the whole number that 64 bits hold, written as 10 or, as pandas does, 10.0; else None."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_FLOAT:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value in _INT64 else None


def is_finite(number: int | float) -> bool:
    """Check that a number is neither NaN nor infinite, nor an integer beyond all floats."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def as_row(where: str, fields: object) -> SourceRow:
    """Return the row of a mapping, whose keys Python 2 may have written."""
    if not isinstance(fields, Mapping):
        raise InputError(f"{where} must be fields with names, got {shortened(fields)}")
    return SourceRow(where, {as_text(name): value for name, value in fields.items()})


def as_text(value: Any) -> Any:
    """Return Python 2's `str` as text: UTF-8 where it is valid, else Latin-1; anything else as it is."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises:
        InputError: it is not JSON; names the line.
    """
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error.msg} in line {error.lineno}; fetch it again") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not JSON in UTF-8; fetch it again") from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{path} is not JSON that can be read: {error}") from error


def shortened(value: object) -> str:
    """Return a short description of a value for messages."""
    text = repr(as_text(value))
    return text if len(text) <= 80 else f"{text[:77]}…"
