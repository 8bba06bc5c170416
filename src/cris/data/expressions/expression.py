"""A made sentence and the objects that it means."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A sentence and what it means."""

    object_ids: tuple[int, ...]
    kind: str
    """What tells the things apart: only, left, leftmost, biggest, second left, colour, next to, …"""
    sentence: str
