"""Images of a report: small, and one layer for each sample that tells truth from answer."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from cris.data.dataset import Dataset
from cris.evaluation.rows import Row

SHARED_RGB, EXTRA_RGB, MISSED_RGB = (46, 204, 133), (240, 84, 84), (84, 140, 255)
"""Colours of found and true, found but not true, true but not found."""
OPACITY = 150
"""Opacity of these colours, of 255."""
SIDE = 400
"""Longer side of an image, in pixels."""
MOST_BYTES = 24_000_000
"""Most bytes of all images: a report of 5,000 samples stays below 30 MB. Later samples have none."""
_QUALITY = 62  # of WebP


def draw_images(folder: Path, dataset: Dataset, wanted: Iterable[Row]) -> Iterator[int]:
    """Write `pictures/ID.webp` and `layers/SAMPLE.png`; yield the numbers of the samples that have both.

    Args:
        folder: of the report
        dataset: what was measured
        wanted: the samples to draw, the most important first
    """
    for name in ("pictures", "layers"):
        (folder / name).mkdir()
    drawn: set[int] = set()
    left = MOST_BYTES
    for row in wanted:
        sample = dataset[row.sample]
        size = _small(row.width, row.height)
        files = {f"layers/{row.sample}.png": layer(row.mask, sample.mask, size)}
        if row.picture_id not in drawn:
            files[f"pictures/{row.picture_id}.webp"] = thumbnail(sample.image, size)
        left -= sum(map(len, files.values()))
        if left < 0:
            return
        for name, content in files.items():
            (folder / name).write_bytes(content)
        drawn.add(row.picture_id)
        yield row.sample


def thumbnail(image: UInt8[np.ndarray, "height width 3"], size: tuple[int, int]) -> bytes:
    """Return the image at that width and height, as WebP."""
    buffer = io.BytesIO()
    Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=2).save(
        buffer, "WEBP", quality=_QUALITY
    )
    return buffer.getvalue()


def layer(
    found: Bool[np.ndarray, "height width"], true: Bool[np.ndarray, "height width"], size: tuple[int, int]
) -> bytes:
    """Return the layer over the image: colours where either mask is, clear elsewhere; a PNG of a palette."""
    index = Image.fromarray((found + 2 * true.astype(np.uint8)).astype(np.uint8))
    palette = [channel for colour in ((0, 0, 0), EXTRA_RGB, MISSED_RGB, SHARED_RGB) for channel in colour]
    drawn = index.resize(size, Image.Resampling.NEAREST)
    drawn.putpalette(palette)
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", transparency=bytes([0, OPACITY, OPACITY, OPACITY]), optimize=True, bits=2)
    return buffer.getvalue()


def _small(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, SIDE / max(width, height))
    return max(1, round(scale * width)), max(1, round(scale * height))
