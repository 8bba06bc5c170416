"""A generated sentence and the objects that it means."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A sentence and its targets."""

    object_ids: tuple[int, ...]
    kind: str
    """Kind of distinction: only, left, leftmost, biggest, second left, colour, next to, …"""
    sentence: str
