"""Backgrounds: gradients, blotches, grain, tiles and weave in muted tones."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from cris.data.scenes.draws import Draws, noise_bytes

Plane = Float[np.ndarray, "side side"]
Vector = Float[np.ndarray, "side"]

TONES = (
    (176, 166, 148), (150, 156, 160), (134, 142, 124), (168, 150, 138), (126, 128, 140),
    (190, 186, 176), (120, 112, 104), (146, 160, 152), (158, 148, 164), (108, 118, 122),
)  # fmt: skip
"""Muted RGB tones, between the objects' black and white."""
PATTERNS = ("linear", "radial", "blotches", "grain", "tiles", "weave")
WEIGHT_STEPS = 64
"""Sum of the integer interpolation weights: products of integers are exact in any order."""


@lru_cache(maxsize=64)
def _interpolation(side: int, points: int) -> tuple[Int[np.ndarray, "side"], Vector, Vector]:
    """Return for each pixel which two of `points` values it lies between, and their weights: smooth steps."""
    first, weights = np.zeros(side, dtype=np.intp), np.zeros((2, side), dtype=np.float32)
    for pixel in range(side):
        place = (pixel + 0.5) / side * (points - 1)
        first[pixel] = min(int(place), points - 2)
        part = place - first[pixel]
        second = round(part * part * (3 - 2 * part) * WEIGHT_STEPS)
        weights[:, pixel] = WEIGHT_STEPS - second, second
    return first, *weights


@lru_cache(maxsize=8)
def axis(side: int) -> Float[np.ndarray, "side"]:
    """Return pixel centres as shares of the side."""
    return (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)


def value_noise(side: int, rows: int, columns: int, *key: str | int) -> Plane:
    """Return smooth noise, 0 to 1, from a coarse grid of random values.

    No matrix product: its threads would hold up those of the other processes that render scenes.
    """
    grid = noise_bytes(rows * columns, *key).reshape(rows, columns).astype(np.float32)
    first, near, far = _interpolation(side, columns)
    wide = grid.take(first, axis=1) * near
    wide += grid.take(first + 1, axis=1) * far
    first, near, far = _interpolation(side, rows)
    noise: Plane = wide.take(first, axis=0)
    noise *= near[:, None]
    noise += wide.take(first + 1, axis=0) * far[:, None]
    noise *= np.float32(1 / (255 * WEIGHT_STEPS * WEIGHT_STEPS))
    return noise


def _waves(side: int, period: float, phase: float) -> Float[np.ndarray, "side"]:
    """Return a triangle wave, 0 to 1, with a period that is a share of the side."""
    place = axis(side) / np.float32(period) + np.float32(phase)
    return np.abs(2 * (place - np.floor(place)) - 1)


def _pattern(side: int, draws: Draws, key: tuple[str | int, ...]) -> Plane:
    """Return the share of the ground's second tone at each pixel, 0 to 1."""
    kind = draws.weighted(PATTERNS, (18, 14, 24, 18, 13, 13))
    across, down = axis(side)[None, :], axis(side)[:, None]
    plane: Plane
    if kind == "linear":
        share = np.float32(draws.between(-1.0, 1.0))
        plane = across * share + down * (1 - abs(share)) + np.float32(max(0.0, -float(share)))
        return plane
    if kind == "radial":
        x, y = np.float32(draws.between(0.2, 0.8)), np.float32(draws.between(0.2, 0.8))
        plane = np.sqrt((across - x) ** 2 + (down - y) ** 2)
        return plane
    if kind == "blotches":
        coarse, fine = 3 + draws.below(4), 9 + draws.below(8)
        plane = 0.7 * value_noise(side, coarse, coarse, *key, "coarse")
        return plane + 0.3 * value_noise(side, fine, fine, *key, "fine")
    if kind == "grain":
        long, short = 3 + draws.below(3), 30 + draws.below(34)
        grain = value_noise(side, short, long, *key, "grain")
        return grain.T if draws.chance(0.5) else grain
    if kind == "tiles":
        period = draws.between(0.16, 0.34)
        ridge_x = _waves(side, period, draws.between(0.0, 1.0))[None, :]
        ridge_y = _waves(side, period, draws.between(0.0, 1.0))[:, None]
        plane = np.maximum(np.maximum(ridge_x, ridge_y) - np.float32(0.9), 0) * 8
        return plane + 0.25 * value_noise(side, 8, 8, *key, "tiles")
    period = draws.between(0.03, 0.06)
    thread_x, thread_y = _waves(side, period, 0.0)[None, :], _waves(side, period, 0.5)[:, None]
    plane = 0.35 * thread_x + 0.35 * thread_y + 0.3 * value_noise(side, 5, 5, *key, "weave")
    return plane


def draw_ground(side: int, draws: Draws, *key: str | int) -> Float[np.ndarray, "3 side side"]:
    """Return the ground's colours, 0 to 255."""
    base = draws.pick(TONES)
    change = draws.between(14.0, 44.0) * (1 if draws.chance(0.5) else -1)
    pattern = _pattern(side, draws, key)
    if draws.chance(0.6):
        pattern = pattern + np.float32(0.3) * value_noise(side, 24, 24, *key, "speckle")
    ground = np.empty((3, side, side), dtype=np.float32)
    for channel, value in enumerate(base):
        low = value + draws.between(-9.0, 9.0)
        np.multiply(pattern, np.float32(change + draws.between(-7.0, 7.0)), out=ground[channel])
        ground[channel] += np.float32(low)
    return ground
