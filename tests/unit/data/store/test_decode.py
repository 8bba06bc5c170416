"""Stored images are decoded as `read_image` decodes them, and whole unless less will do."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from cris.data.store.decode import decode_image
from cris.image import read_image


def photograph(shared_real: Path) -> Image.Image:
    with Image.open(min((shared_real / "images").iterdir())) as image:
        return image.convert("RGB").crop((0, 0, 200, 120))


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"keep_rgb": True},
        {"comment": b"\xff\xc0" * 30},
        {"icc_profile": b"\xff" * 70_000},
    ],
    ids=lambda options: "".join(options) or "plain",
)
def test_kinds_of_jpeg_are_decoded_as_by_pillow_and_reduced_when_asked(shared_real, options):
    data = encoded(photograph(shared_real), **options)
    image, reduction = decode_image(data)
    np.testing.assert_array_equal(image, read_image(data))
    assert reduction == 1
    half, reduction = decode_image(data, 100)
    assert (half.shape, reduction) == ((60, 100, 3), 2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_images_come_upright(shared_real, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(photograph(shared_real), exif=exif)
    np.testing.assert_array_equal(decode_image(data)[0], read_image(data))


@pytest.mark.parametrize(("mode", "kind"), [("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG"), ("RGB", "WEBP")])
def test_other_images_are_decoded_too(shared_real, mode, kind):
    data = encoded(photograph(shared_real).convert(mode), kind)
    np.testing.assert_array_equal(decode_image(data, 1)[0].shape[2], 3)
    np.testing.assert_array_equal(decode_image(data)[0], read_image(data))


@pytest.mark.parametrize("kept", [0, 2, 3, 11, 300, -2])
def test_what_is_cut_off_is_refused(shared_real, kept):
    with pytest.raises(ValueError, match="image"):
        decode_image(encoded(photograph(shared_real))[:kept])
