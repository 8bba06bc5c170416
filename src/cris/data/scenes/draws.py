"""Random draws that stay the same forever."""

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

T = TypeVar("T")


def _key(parts: tuple[str | int, ...]) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:16], "little")


class Draws:
    """Draws made from `random.Random(int).random()` alone, whose stream Python promises to keep."""

    def __init__(self, *key: str | int) -> None:
        self._next = random.Random(_key(key)).random

    def chance(self, share: float) -> bool:
        """Return True in `share` (0 to 1) of the draws."""
        return self._next() < share

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return low + (high - low) * self._next()

    def below(self, count: int) -> int:
        """Return an integer from 0 to `count` - 1."""
        return int(self._next() * count)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, each equally likely."""
        return options[int(self._next() * len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[int | float]) -> T:
        """Return one of the options with probability proportional to its weight."""
        left = self._next() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                return option
        return options[-1]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """Return the options in random order."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in range(len(rest))]


def noise_bytes(count: int, *key: str | int) -> UInt8[np.ndarray, "count"]:
    """Return evenly distributed bytes: raw bits of Philox, low byte first on every machine."""
    raw = np.random.Philox(key=_key(key)).random_raw((count + 7) // 8)
    return raw.astype("<u8", copy=False).view(np.uint8)[:count]
