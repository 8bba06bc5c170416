"""File names, compared across the spellings of people and systems."""

import unicodedata
from collections.abc import Iterable, Iterator


def comparable(name: str) -> str:
    r"""Return the name with composed letters and / between folders: a Mac decomposes é, Windows writes \."""
    return unicodedata.normalize("NFC", name).replace("\\", "/")


class KnownNames:
    r"""Lookup of a name among known ones, be it written with \ or / and with composed letters or not."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        self._comparable: dict[str, str] = {}
        for name in self._names:
            self._comparable.setdefault(comparable(name), name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names as they are."""
        return iter(self._names)

    def find(self, name: str) -> str | None:
        """Return the known name that is meant: this very one, else one that differs in writing alone."""
        return name if name in self._names else self._comparable.get(comparable(name))
