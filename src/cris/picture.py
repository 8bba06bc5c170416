"""Pictures of every kind people have, read as upright 8-bit RGB."""

import io
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from cris.errors import InputError

PictureSource = str | Path | bytes | Image.Image | np.ndarray
"""A file, its bytes, a Pillow image, or uint8 RGB (height, width, 3)."""

# named, because Pillow would hand a PostScript file to an interpreter
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
_PIXELS_AT_ONCE = 2**22
_TURNS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, -1, 1),
    7: (True, -1, -1),
    8: (True, 1, -1),
}
"""EXIF orientation → are rows and columns swapped, then the steps along stored rows and columns."""


def suffixes() -> set[str]:
    """Of the files that `read_picture` reads, such as ".jpg"."""
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}


def read_picture(source: PictureSource) -> UInt8[np.ndarray, "height width 3"]:
    """The whole picture, turned as its EXIF says; of animated files the first frame.

    What is transparent is laid on white, 16-bit keeps its upper 8 bits, colour profiles are ignored.
    An array is returned as it is, without a copy. Files may have up to 178 million pixels, which is twice
    `PIL.Image.MAX_IMAGE_PIXELS`.

    Raises:
        InputError: no such file, not a picture, incomplete, too large, or an array of another kind.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise InputError(
                f"expected a uint8 RGB array (height, width, 3), got {source.dtype} {source.shape}"
            )
        return np.ascontiguousarray(source)
    if isinstance(source, Image.Image):
        return _decode(source, "the image")
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), "the bytes", len(source))
    if not isinstance(source, str | Path):
        raise InputError(
            f"expected a path, bytes, a Pillow image or a uint8 RGB array, got {type(source).__name__}"
        )
    path = Path(source)
    if not path.exists():
        raise InputError(f"{path}: expected a picture, found no such file")
    if not path.is_file():
        raise InputError(f"{path}: expected a picture, found {'a folder' if path.is_dir() else 'no file'}")
    try:
        with path.open("rb") as file:
            return _read(file, str(path), path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _read(
    file: io.BufferedReader | io.BytesIO, name: str, length: int
) -> UInt8[np.ndarray, "height width 3"]:
    if not length:
        raise InputError(f"{name}: expected a picture, found nothing (0 bytes)")
    try:
        with warnings.catch_warnings():
            # it comes at half the size of the error; other categories stay, as filters belong to all threads
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name}: too large a picture ({error}); shrink it or raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name}: expected a picture ({', '.join(FORMATS)}), found something else"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise nearly anything when a file is damaged
        raise InputError(f"{name}: damaged picture ({error})") from error
    with image:
        return _decode(image, name)


def _decode(image: Image.Image, name: str) -> UInt8[np.ndarray, "height width 3"]:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as above; a picture that is half there is no picture
        raise InputError(f"{name}: damaged or incomplete picture ({error})") from error
    width, height = image.size
    if not width or not height:
        raise InputError(f"{name}: expected a picture, found no pixels ({width}×{height})")
    is_transposed, down, right = _TURNS.get(_orientation(image), _TURNS[1])
    upright = np.empty((width, height, 3) if is_transposed else (height, width, 3), dtype=np.uint8)
    stored = (upright.swapaxes(0, 1) if is_transposed else upright)[::down, ::right]
    rows = max(1, _PIXELS_AT_ONCE // width)  # in bands, so that large pictures are not there three times
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        stored[top:bottom] = _rgb(image.crop((0, top, width, bottom)), name)
    return upright


def _orientation(image: Image.Image) -> int:
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    return orientation if isinstance(orientation, int) else 1


def _rgb(image: Image.Image, name: str) -> UInt8[np.ndarray, "height width 3"]:
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 0xFFFF:
            raise InputError(
                f"{name}: expected a picture of 8 or 16 bits, found levels beyond 65535; convert it"
            )
        return np.repeat((levels >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("F", "LAB", "HSV"):
        raise InputError(
            f"{name}: expected a picture of 8 or 16 bits, found mode {image.mode}; convert it to RGB"
        )
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    rgba = np.asarray(image.convert("RGBA"))
    colour, alpha = rgba[..., :3].astype(np.uint16), rgba[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
