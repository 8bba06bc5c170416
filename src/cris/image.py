"""Images of every kind people have, read as upright 8-bit RGB."""

import importlib.util
import io
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from cris.errors import InputError, MissingFileError

ImageSource = str | Path | bytes | Image.Image | np.ndarray
"""A file, its bytes, a Pillow image, or uint8 RGB (height, width, 3)."""
Result = TypeVar("Result")

# named, because Pillow would hand a PostScript file to an interpreter
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
_HEIF_SUFFIXES = {".heic", ".heif", ".hif"}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Bytes 8 to 12 of a HEIF file."""
_HEIF_HINT = "pip install 'cris[heif]' to read HEIC"
_UNREAD_SUFFIXES = {
    *(".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    *(".svg", ".eps", ".psd", ".xcf", ".exr", ".hdr", ".tga", ".pcx", ".ico", ".icns", ".dds", ".dcm"),
}
"""Suffixes of images that `read_image` cannot read."""
_NAMES_SHOWN = 3
_PIXELS_AT_ONCE = 2**22
_DEPTHS = (8, 10, 12, 14, 16)
"""Bit depths of cameras and sensors; files keep them in 16."""
_NEARLY_BLACK = 2**4
"""Level, of 255, that is left of 12 bits when 16 are cut to their upper 8."""
_SIGNATURE_OF_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS_OF_PNG = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
"""PNG chunks of texts and of the colour profile."""
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
"""EXIF orientation → true if rows and columns are swapped, then the steps along stored rows and columns."""


def suffixes() -> set[str]:
    """Return the suffixes of files that `read_image` reads, such as ".jpg"."""
    found = {suffix for suffix, kind in Image.registered_extensions().items() if kind in (*FORMATS, "MPO")}
    return found | (_HEIF_SUFFIXES if importlib.util.find_spec("pillow_heif") else set())


def warn_of_unread(names: Iterable[str]) -> None:
    """Warn, once for all, of the files that are images by their suffix, but of a kind that is not read."""
    unread = (_UNREAD_SUFFIXES | _HEIF_SUFFIXES) - suffixes()
    left_out = [name for name in names if Path(name).suffix.lower() in unread]
    if not left_out:
        return
    some = ", ".join(left_out[:_NAMES_SHOWN]) + ("…" if len(left_out) > _NAMES_SHOWN else "")
    has_heif = any(Path(name).suffix.lower() in _HEIF_SUFFIXES for name in left_out)
    warnings.warn(
        f"left out {len(left_out):,} of a kind that cris does not read: {some}; convert them"
        + (f", or {_HEIF_HINT}" if has_heif else ""),
        stacklevel=3,
    )


def read_image(source: ImageSource, *, max_pixels: int | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """Return the whole image, rotated as its EXIF says; of animated files the first frame.

    What is transparent is laid on white. 16-bit grey keeps the upper 8 of the 8, 10, 12, 14 or 16 bits that
    it uses, 16-bit colour its upper 8. Colour profiles are ignored, and so is EXIF that is damaged. An array
    is returned as it is, without a copy.

    Args:
        source: what to read
        max_pixels: of a file; a larger one is refused before it is decoded, and so is always one of more than
            178 million, which is twice `PIL.Image.MAX_IMAGE_PIXELS`

    Raises:
        InputError: not an image, damaged in any way, too large, or an array of another kind.
        MissingFileError: no such file, which is an InputError and a FileNotFoundError.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise InputError(
                f"expected a uint8 RGB array (height, width, 3), got {source.dtype} {source.shape}"
            )
        return np.ascontiguousarray(source)
    if isinstance(source, Image.Image):
        return _decode(source, "the image", max_pixels)
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), "the bytes", max_pixels)
    if not isinstance(source, str | Path):
        raise InputError(
            f"expected a path, bytes, a Pillow image or a uint8 RGB array, got {type(source).__name__}"
        )
    path = Path(source)
    if not path.exists():
        raise MissingFileError(f"{path}: expected an image, found no such file")
    if not path.is_file():
        raise InputError(f"{path}: expected an image, found {'a folder' if path.is_dir() else 'no file'}")
    try:
        with path.open("rb") as file:
            return _read(file, str(path), max_pixels)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def open_image(content: bytes, name: str) -> Image.Image:
    """Open an encoded image to see its size and format; nothing is decoded.

    Raises:
        InputError: it is none, a damaged one, or a too large one; `name` is what the error calls it.
    """
    return _despite_metadata(io.BytesIO(content), lambda file: _open(file, name))


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1, which is upright, where there is none or it cannot be read."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # the pixels are fine without it
        return 1
    return orientation if isinstance(orientation, int) and orientation in _TURNS else 1


def turned(
    stored: UInt8[np.ndarray, "rows columns 3"], orientation: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Return stored pixels rotated upright by their EXIF orientation."""
    is_transposed, down, right = _TURNS[orientation]
    flipped = stored[::down, ::right]
    return np.ascontiguousarray(flipped.swapaxes(0, 1) if is_transposed else flipped)


def _read(file: BinaryIO, name: str, max_pixels: int | None) -> UInt8[np.ndarray, "height width 3"]:
    def work(file: BinaryIO) -> UInt8[np.ndarray, "height width 3"]:
        with _open(file, name) as image:
            return _decode(image, name, max_pixels)

    return _despite_metadata(file, work)


def _despite_metadata(file: BinaryIO, work: Callable[[BinaryIO], Result]) -> Result:
    """Return the work on a file, of a PNG without its metadata where these make the work fail."""
    try:
        return work(file)
    except InputError:
        file.seek(0)
        plain = _without_metadata(file.read())
        if plain is None:
            raise
    return work(io.BytesIO(plain))


def _without_metadata(data: bytes) -> bytes | None:
    """Return a PNG without texts, profile and damaged optional chunks, all of which Pillow may refuse.

    None when it is no PNG, or has none of these.
    """
    if not data.startswith(_SIGNATURE_OF_PNG):
        return None
    place = len(_SIGNATURE_OF_PNG)
    kept = [data[:place]]
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4])  # length, kind, content, checksum
        kind = data[place + 4 : place + 8]
        is_optional = bool(kind) and bool(kind[0] & 0x20)
        is_whole = zlib.crc32(data[place + 4 : end - 4]) == int.from_bytes(data[end - 4 : end])
        if kind not in _TEXTS_OF_PNG and (is_whole or not is_optional):
            kept.append(data[place:end])
        place = end
    plain = b"".join(kept)
    return plain if len(plain) < len(data) else None


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises for a damaged file into an InputError that names it."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name}: too large an image ({error}); shrink it or raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except UnidentifiedImageError as error:  # of no use to a reader: it names an object in memory
        raise InputError(f"{name}: damaged image") from error
    except Exception as error:  # Pillow's readers raise nearly anything
        reason = str(error) or type(error).__name__
        raise InputError(f"{name}: damaged or incomplete image ({reason})") from error


def _open(file: BinaryIO, name: str) -> Image.Image:
    with _explained(name):
        head = file.read(12)
        if not head:
            raise InputError(f"{name}: expected an image, found nothing (0 bytes)")
        file.seek(0)
        with warnings.catch_warnings():
            # it comes at half the size of the error; other categories stay, as filters belong to all threads
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                return Image.open(file, formats=FORMATS)
            except UnidentifiedImageError as error:
                is_heif = head[4:8] == b"ftyp" and head[8:] in _HEIF_BRANDS
                if is_heif and importlib.util.find_spec("pillow_heif"):
                    return _open_heif(file)
                found = f"HEIC: convert it, or {_HEIF_HINT}" if is_heif else "something else"
                raise InputError(
                    f"{name}: expected an image ({', '.join(FORMATS)}), found {found}"
                ) from error


def _open_heif(file: BinaryIO) -> Image.Image:
    import pillow_heif  # an extra

    pillow_heif.register_heif_opener()
    file.seek(0)
    return Image.open(file, formats=("HEIF",))


def _decode(image: Image.Image, name: str, max_pixels: int | None) -> UInt8[np.ndarray, "height width 3"]:
    with _explained(name):
        width, height = image.size
        if not width or not height:
            raise InputError(f"{name}: expected an image, found no pixels ({width}×{height})")
        if max_pixels is not None and width * height > max_pixels:
            raise InputError(
                f"{name}: expected an image of at most {max_pixels:,} pixels, got {width}×{height}: shrink it"
            )
        has_16_bits = ";16" in str(getattr(image, "tile", ""))  # of which Pillow keeps the upper 8 of colours
        image.load()
        is_transposed, down, right = _TURNS[orientation_of(image)]
        upright = np.empty((width, height, 3) if is_transposed else (height, width, 3), dtype=np.uint8)
        stored = (upright.swapaxes(0, 1) if is_transposed else upright)[::down, ::right]
        rows = max(1, _PIXELS_AT_ONCE // width)  # in bands, so that large images are not there three times
        bands = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
        spare = _spare_bits(image, bands, name) if image.mode.startswith("I") else 0
        for band in bands:
            stored[band[1] : band[3]] = _rgb(image.crop(band), name, spare)
        if has_16_bits and upright.max() < _NEARLY_BLACK:
            warnings.warn(
                f"{name}: nearly black, as its levels use few of their 16 bits: stretch them", stacklevel=2
            )
        return upright


def _spare_bits(image: Image.Image, bands: Sequence[tuple[int, int, int, int]], name: str) -> int:
    """Return how many bits the levels of a grey image use beyond 8: a 12-bit camera's use four."""
    ends = [(int(levels.min()), int(levels.max())) for levels in (np.asarray(image.crop(b)) for b in bands)]
    least, most = min(low for low, _ in ends), max(high for _, high in ends)
    if least < 0 or most > 0xFFFF:
        raise InputError(f"{name}: expected an image of 8 or 16 bits, found levels beyond 65535; convert it")
    return next(bits for bits in _DEPTHS if most < 2**bits) - 8


def _rgb(image: Image.Image, name: str, spare: int) -> UInt8[np.ndarray, "height width 3"]:
    if image.mode.startswith("I"):
        return np.repeat((np.asarray(image) >> spare).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("F", "LAB", "HSV"):
        raise InputError(
            f"{name}: expected an image of 8 or 16 bits, found mode {image.mode}; convert it to RGB"
        )
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    rgba = np.asarray(image.convert("RGBA"))
    colour, alpha = rgba[..., :3].astype(np.uint16), rgba[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
