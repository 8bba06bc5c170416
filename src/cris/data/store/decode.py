"""Fast decoding of stored images: JPEG by OpenCV, at a fraction of its size where that suffices."""

import struct
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from cris.image import open_image, orientation_of, read_image, turned

Reduction = Literal[1, 2, 4, 8]
"""Image pixels, along each side, per decoded pixel."""

_FLAGS: dict[Reduction, int] = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}
_START_OF_JPEG, _END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
_FRAMES = (0xC0, 0xC1, 0xC2)
"""Markers of the frame header: baseline, extended, progressive."""
_METADATA = 0xE1
"""Marker of EXIF and XMP."""
_MOST_PIXELS = 2**26
"""Largest number of pixels; larger images are for `read_image`, which knows Pillow's limit."""


def decode_image(
    data: bytes, longest: int | None = None
) -> tuple[UInt8[np.ndarray, "height width 3"], Reduction]:
    """Return the upright RGB image, and how many of its pixels each decoded one stands for.

    With `longest` given, a JPEG is decoded at a half, quarter or eighth as long as its longer side keeps that
    many pixels and both sides divide evenly, so that every decoded pixel stands for a whole square of them.

    Raises:
        InputError: this is not an image, or is a damaged one.
    """
    header = _plain_jpeg(data)
    if header is None:
        return read_image(data), 1
    size, has_metadata = header
    reduction = _reduction(size, longest) if longest is not None else 1
    try:
        decoded = cv2.imdecode(
            np.frombuffer(data, dtype=np.uint8), _FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        return read_image(data), 1
    if decoded is None:
        return read_image(data), 1
    cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, decoded)
    if not has_metadata:
        return decoded, reduction
    # Pillow and OpenCV differ about EXIF that is damaged, and about orientations in XMP
    with open_image(data, "the bytes") as image:
        return turned(decoded, orientation_of(image)), reduction


def _plain_jpeg(data: bytes) -> tuple[tuple[int, int], bool] | None:
    """Return width and height as stored, and whether there is EXIF or XMP, of a JPEG that OpenCV may decode.

    None if it is not one, or not whole: OpenCV decodes all others as Pillow does. Not by Pillow, which takes
    ten times as long to open a file.
    """
    if not data.startswith(_START_OF_JPEG):
        return None
    if not data.rstrip(b"\0\n").endswith(_END_OF_JPEG):  # OpenCV fills what is cut off with grey
        return None
    place, has_metadata = len(_START_OF_JPEG), False
    while data[place : place + 1] == b"\xff" and place + 10 <= len(data):
        kind, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if kind in _FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, place + 4)
            is_plain = bits == 8 and channels in (1, 3) and 0 < width * height <= _MOST_PIXELS
            return ((width, height), has_metadata) if is_plain else None
        has_metadata |= kind == _METADATA
        place += 2 + length
    return None  # read_image says what is wrong


def _reduction(size: tuple[int, int], longest: int) -> Reduction:
    for reduction in _FLAGS:
        if max(size) >= reduction * longest and not any(side % reduction for side in size):
            return reduction
    return 1
