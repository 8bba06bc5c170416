"""Rendering of a layout: ground, light, shadows, textures, sensor noise."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cris.data.scenes.draws import Draws, noise_bytes
from cris.data.scenes.ground import axis, draw_ground
from cris.data.scenes.layout import Item
from cris.data.scenes.shapes import Patch

Plane = Float[np.ndarray, "height width"]

RGB = {
    "red": (212, 36, 40),
    "orange": (246, 134, 20),
    "yellow": (248, 220, 44),
    "green": (44, 158, 58),
    "cyan": (60, 206, 216),
    "blue": (38, 76, 214),
    "purple": (128, 52, 172),
    "pink": (250, 136, 186),
    "white": (240, 240, 238),
    "black": (34, 34, 38),
}
PERIODS = {"small": 0.044, "medium": 0.058, "large": 0.075}
"""Period of textures by object size, as a share of the side."""
BLUR = 0.032
"""Width of one shadow blur, as a share of the side."""


@dataclass(frozen=True, slots=True)
class Light:
    """Direction of light (unit vector, y down) and its effects."""

    x: float
    y: float
    falloff: float
    """Change of the ground's brightness across the image."""
    shade: float
    """Change of an object's brightness from its bright to its dark side."""
    shadow: float
    """Share of the light that a shadow takes."""
    reach: float
    """Length of shadows, as a share of the side."""


def draw_light(draws: Draws) -> Light:
    """Draw a light from above the horizon of the image."""
    angle = draws.between(math.radians(195), math.radians(345))
    return Light(
        x=round(math.cos(angle), 4),
        y=round(math.sin(angle), 4),
        falloff=draws.between(0.04, 0.2),
        shade=draws.between(0.10, 0.24),
        shadow=draws.between(0.28, 0.55),
        reach=draws.between(0.012, 0.03),
    )


def render(
    items: tuple[Item, ...], patches: tuple[Patch, ...], side: int, draws: Draws, *key: str | int
) -> UInt8[np.ndarray, "side side 3"]:
    """Draw the objects from back to front on a ground, and return an RGB image."""
    light = draw_light(draws)
    canvas = draw_ground(side, draws, *key)
    across, down = axis(side)[None, :] - np.float32(0.5), axis(side)[:, None] - np.float32(0.5)
    canvas *= (
        1 + np.float32(light.falloff * light.x * 2) * across + np.float32(light.falloff * light.y * 2) * down
    )
    for item, patch in zip(items, patches, strict=True):
        _paint(canvas, item, patch, light)
    strength = draws.between(3.0, 11.0)
    noise = noise_bytes(canvas.size, *key, "sensor").reshape(canvas.shape).astype(np.float32)
    noise *= np.float32(strength / 255)
    canvas += noise
    canvas += np.float32(0.5 - strength / 2)
    np.clip(canvas, 0, 255, out=canvas)
    return np.ascontiguousarray(canvas.astype(np.uint8).transpose(1, 2, 0))


def _blurred(plane: UInt8[np.ndarray, "height width"], width: int) -> UInt8[np.ndarray, "height width"]:
    """Return a box blur by whole sums, which the order of adding does not change."""
    sums = cv2.boxFilter(plane, cv2.CV_32F, (width, width), normalize=False, borderType=cv2.BORDER_CONSTANT)
    blurred: UInt8[np.ndarray, "height width"] = (sums * np.float32(1 / width**2)).astype(np.uint8)
    return blurred


def _paint(canvas: Float[np.ndarray, "3 side side"], item: Item, patch: Patch, light: Light) -> None:
    side = canvas.shape[1]
    height, width = patch.coverage.shape
    blur = 2 * max(1, round(BLUR * side / 2)) + 1
    framed = np.zeros((height + 2 * blur, width + 2 * blur), dtype=np.uint8)
    framed[blur:-blur, blur:-blur] = (patch.coverage * np.float32(255)).astype(np.uint8)
    soft = _blurred(framed, blur)
    _cast_shadow(canvas, _blurred(soft, blur), patch, blur, light)

    rows, columns = slice(patch.top, patch.top + height), slice(patch.left, patch.left + width)
    across = (axis(side)[columns] - np.float32(item.x))[None, :] * np.float32(2 / item.diameter)
    down = (axis(side)[rows] - np.float32(item.y))[:, None] * np.float32(2 / item.diameter)
    rounded = soft[blur - 1 : height + blur + 1, blur - 1 : width + blur + 1].astype(np.float32)
    slope_x = rounded[1:-1, 2:] - rounded[1:-1, :-2]
    slope_y = rounded[2:, 1:-1] - rounded[:-2, 1:-1]
    bright = slope_x * np.float32(-light.x * 0.0036 * blur / 5) + slope_y * np.float32(
        -light.y * 0.0036 * blur / 5
    )
    bright += across * np.float32(light.shade * light.x) + down * np.float32(light.shade * light.y)
    np.clip(bright, -0.42, 0.42, out=bright)
    gleam = np.float32(1) - (across - np.float32(0.45 * light.x)) ** 2 * 5
    gleam = gleam - (down - np.float32(0.45 * light.y)) ** 2 * 5
    np.maximum(gleam, 0, out=gleam)
    gleam *= gleam * np.float32(120 * light.shade)
    bright += 1

    base = RGB[item.colour]
    if item.texture != "plain":
        second = _second_tone(base, item.is_pale)
        pattern = _texture(item, across, down)
    uncovered = 1 - patch.coverage
    for channel in range(3):
        if item.texture == "plain":
            colour = bright * np.float32(base[channel])
        else:
            colour = pattern * np.float32(second[channel] - base[channel])
            colour += np.float32(base[channel])
            colour *= bright
        colour += gleam
        colour *= patch.coverage
        window = canvas[channel, rows, columns]
        window *= uncovered
        window += colour


def _cast_shadow(
    canvas: Float[np.ndarray, "3 side side"],
    shadow: UInt8[np.ndarray, "height width"],
    patch: Patch,
    blur: int,
    light: Light,
) -> None:
    side = canvas.shape[1]
    left = patch.left - blur - round(light.x * light.reach * side)
    top = patch.top - blur - round(light.y * light.reach * side)
    rows = slice(max(top, 0), min(top + shadow.shape[0], side))
    columns = slice(max(left, 0), min(left + shadow.shape[1], side))
    cut = shadow[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    canvas[:, rows, columns] *= 1 - cut.astype(np.float32) * np.float32(light.shadow / 255)


def _second_tone(base: tuple[int, int, int], is_pale: bool) -> tuple[float, float, float]:
    """Return a clearly lighter or darker tone of the same hue."""
    brightness = 0.3 * base[0] + 0.59 * base[1] + 0.11 * base[2]
    if brightness < 60:
        return _mixed(base, 255, 0.38)
    if brightness > 230:
        return _mixed(base, 0, 0.40)
    return _mixed(base, 255, 0.72) if is_pale and brightness < 190 else _mixed(base, 0, 0.56)


def _mixed(base: tuple[int, int, int], end: int, share: float) -> tuple[float, float, float]:
    red, green, blue = (value + (end - value) * share for value in base)
    return red, green, blue


def _texture(item: Item, across: Float[np.ndarray, "1 width"], down: Float[np.ndarray, "height 1"]) -> Plane:
    """Return the share of the second tone, 0 to 1, in the object's own rotated frame."""
    periods = item.diameter / (2 * PERIODS[item.size])
    cos, sin = math.cos(item.angle) * periods, math.sin(item.angle) * periods
    u = across * np.float32(round(cos, 6)) + down * np.float32(round(sin, 6)) + np.float32(item.phase[0])
    v = down * np.float32(round(cos, 6)) - across * np.float32(round(sin, 6)) + np.float32(item.phase[1])
    pattern: Plane
    if item.texture == "striped":
        pattern = (np.abs(_from_middle(v)) - np.float32(0.25)) * 8
    elif item.texture == "dotted":
        u, v = _from_middle(u), _from_middle(v)
        pattern = (np.float32(0.095) - u * u - v * v) * 14
    else:
        u, v = _from_middle(u * np.float32(0.7)), _from_middle(v * np.float32(0.7))
        pattern = (np.abs(u) - np.float32(0.25)) * (np.abs(v) - np.float32(0.25)) * 130
    pattern += np.float32(0.5)
    return np.clip(pattern, 0, 1, out=pattern)


def _from_middle(periods: Plane) -> Plane:
    """Return the distance from the middle of the period, -0.5 to 0.5."""
    middle: Plane = periods - np.floor(periods) - np.float32(0.5)
    return middle
