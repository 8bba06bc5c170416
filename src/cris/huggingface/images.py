"""Preparation of images as a model's preprocessor_config.json says, without torchvision."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from cris.errors import InputError

_FILES = ("preprocessor_config.json", "processor_config.json")
"""Files with the settings; newer ones hold those of images among others, as `image_processor`."""


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """Settings of a preprocessor: resize, rescale, normalise, pad."""

    size: Mapping[str, int]
    """Size after resizing: height and width, or shortest_edge and longest_edge, or longest_edge alone."""
    resample: int = Image.Resampling.BILINEAR
    """Filter, as Pillow numbers them."""
    rescale_factor: float = 1 / 255
    image_mean: Sequence[float] = (0.485, 0.456, 0.406)
    image_std: Sequence[float] = (0.229, 0.224, 0.225)
    do_resize: bool = True
    do_rescale: bool = True
    do_normalize: bool = True
    do_pad: bool = False
    pad_size: Mapping[str, int] | None = None
    """Height and width to which the image is filled up with 0, below and to the right."""

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width that an image of this size is resized to."""
        size = self.size
        if not self.do_resize:
            return height, width
        if size.keys() == {"height", "width"}:
            return size["height"], size["width"]
        if size.keys() == {"longest_edge"}:
            scale = size["longest_edge"] / max(height, width)
            return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))
        return _within_edges(height, width, size["shortest_edge"], size["longest_edge"])

    def apply(self, image: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "3 rows columns"]:
        """Return the pixel values of an RGB image."""
        height, width = self.resized(*image.shape[:2])
        if (height, width) != image.shape[:2]:
            image = np.asarray(
                Image.fromarray(image).resize((width, height), Image.Resampling(self.resample))
            )
        values = image.astype(np.float32)
        if self.do_rescale:
            values = (image.astype(np.float64) * self.rescale_factor).astype(np.float32)
        if self.do_normalize:
            mean, std = (np.array(each, dtype=np.float32) for each in (self.image_mean, self.image_std))
            values = (values - mean) / std
        if self.do_pad and self.pad_size is not None:
            below, right = self.pad_size["height"] - height, self.pad_size["width"] - width
            values = np.pad(values, ((0, below), (0, right), (0, 0)))
        return np.ascontiguousarray(values.transpose(2, 0, 1))


def read_image_settings(folder: Path, defaults: ImageSettings) -> ImageSettings:
    """Return the settings of a model's folder; what they leave open is as in `defaults`.

    Raises InputError where there are none, or they ask for what this cannot do.
    """
    path = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if path is None:
        raise InputError(f"{folder} has no {_FILES[0]}, which says how images are prepared")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content = content.get("image_processor", content)
        known = {name: content[name] for name in vars(defaults) if content.get(name) is not None}
        settings = ImageSettings(**{**vars(defaults), **known, "size": _size(content, defaults)})
        _check(settings, content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} must say how images are prepared, as transformers does: {error}") from error
    return settings


def _size(content: Mapping[str, Any], defaults: ImageSettings) -> Mapping[str, int]:
    """Return the size; a single number, as older files have it, is the first field of the default's."""
    size = content.get("size", defaults.size)
    if not isinstance(size, int):
        return {name: number for name, number in size.items() if number is not None}
    if defaults.size.keys() == {"height", "width"}:
        return {"height": size, "width": size}
    longest: int = content.get("max_size", defaults.size["longest_edge"])
    return (
        {"shortest_edge": size, "longest_edge": longest} if len(defaults.size) > 1 else {"longest_edge": size}
    )


def _check(settings: ImageSettings, content: Mapping[str, Any]) -> None:
    sizes = ({"height", "width"}, {"longest_edge"}, {"shortest_edge", "longest_edge"})
    if settings.size.keys() not in sizes or not all(
        isinstance(side, int) and side > 0 for side in settings.size.values()
    ):
        raise InputError(f"size must be height and width, or edges, in pixels, got {dict(settings.size)}")
    if content.get("do_center_crop"):
        raise InputError("do_center_crop would cut off part of the image, and must be false")
    if len(settings.image_mean) != 3 or len(settings.image_std) != 3 or not all(settings.image_std):
        raise InputError(
            "image_mean and image_std must be three numbers each, of which none in image_std is 0"
        )
    if settings.pad_size is not None and settings.do_pad:
        sides = settings.size.get("longest_edge", 0)
        if min(settings.pad_size["height"], settings.pad_size["width"]) < sides:
            raise InputError(f"pad_size must be at least size, got {dict(settings.pad_size)}")


def _within_edges(height: int, width: int, shortest: int, longest: int) -> tuple[int, int]:
    """Return the size with the shortest edge given, or less where the longest would be too long."""
    small, large = min(height, width), max(height, width)
    edge: float = shortest
    if large / small * shortest > longest:
        edge = longest * small / large
    side = round(edge)
    if small == side:
        return height, width
    # in transformers' order of operations, as the result is cut to a whole number
    return (int(edge * height / width), side) if width < height else (side, int(edge * width / height))
