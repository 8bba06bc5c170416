"""File names that people can read and that never clash."""

import unicodedata
from collections.abc import Iterable

_IMAGE_BYTES, _SENTENCE_BYTES = 80, 120  # with number and suffix within the 255 that file systems allow


def slug(text: str, longest: int) -> str:
    """Return a text's letters and digits in lower case, else hyphens; at most `longest` bytes of UTF-8."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    spaced = "".join(sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in plain)
    return "-".join(spaced.split()).encode()[:longest].decode(errors="ignore").strip("-") or "unnamed"


def result_names(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return a name for each image's stem and sentence; later ones that would be alike get a number."""
    taken: set[str] = set()
    names = []
    for stem, sentence in pairs:
        base = f"{slug(stem, _IMAGE_BYTES)}-{slug(sentence, _SENTENCE_BYTES)}"
        name, times = base, 1
        while name in taken:
            times += 1
            name = f"{base}-{times}"
        taken.add(name)
        names.append(name)
    return names
