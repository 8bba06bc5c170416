"""Images with damaged EXIF, colour profiles, XMP and texts, in JPEG, PNG, WebP, TIFF and GIF."""

import io
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

HEIGHT, WIDTH = 24, 40
ORIENTATION, DESCRIPTION, COMMENT, GPS = 0x0112, 0x010E, 0x9286, 0x8825
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
TEXT = "a text that nobody reads, " * 4


def damaged_images(seed: int) -> Iterator[bytes]:
    """Yield images of all kinds in turn, each with bytes of its metadata changed, cut out or put in."""
    random = np.random.default_rng(seed)
    wholes = list(_wholes(random))
    while True:
        for whole, begin, end in wholes:
            yield _damaged(whole, begin, end, random)


def _wholes(random: np.random.Generator) -> Iterator[tuple[bytes, int, int]]:
    """Whole images, each with the places where a block of metadata begins, by its kind, and ends."""
    image = Image.fromarray(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif.get_ifd(GPS)[1] = "N"
    exif[COMMENT] = TEXT
    blocks = {"exif": exif.tobytes(), "icc_profile": _profile(), "xmp": XMP}
    for form, *marks in (
        ("JPEG", b"Exif", b"ICC_PROFILE", b"http://ns.adobe"),
        ("WEBP", b"EXIF", b"ICCP", b"XMP "),
        ("PNG", b"eXIf", b"iCCP"),
    ):
        for mark, (name, block) in zip(marks, blocks.items(), strict=False):
            yield _located(_encoded(image, form, **{name: block}), mark, len(block))
    yield _located(_encoded(image, "JPEG", comment=TEXT), TEXT.encode(), len(TEXT))
    yield _located(_encoded(image.convert("P"), "GIF", comment=TEXT), TEXT.encode(), len(TEXT))
    for mark, is_compressed in ((b"tEXt", False), (b"zTXt", True)):
        texts = PngInfo()
        texts.add_text("workflow", TEXT, zip=is_compressed)
        yield _located(_encoded(image, "PNG", pnginfo=texts), mark, len(TEXT))
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=is_compressed)
        yield _located(_encoded(image, "PNG", pnginfo=texts), b"iTXt", len(XMP))
    for compression in ("raw", "tiff_lzw", "jpeg"):
        tags = ImageFileDirectory_v2()
        tags[ORIENTATION], tags[DESCRIPTION] = 6, TEXT
        options = {"tiffinfo": tags, "icc_profile": _profile(), "compression": compression}
        data = _encoded(image, "TIFF", **options)
        yield data, 8, len(data) - 16  # the tags are spread over the file


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _located(data: bytes, mark: bytes, length: int) -> tuple[bytes, int, int]:
    """An image and its block, from its mark to its last byte."""
    begin = data.index(mark)
    pixels = data.find(b"IDAT", begin)  # 8 bytes before which a block of a PNG ends
    return data, begin, min(begin + length, len(data) if pixels < 0 else pixels - 8)


def _damaged(data: bytes, begin: int, end: int, random: np.random.Generator) -> bytes:
    """Half of the time the content of the block alone, else also what tells its length, and its length."""
    changed = bytearray(data)
    is_content = random.random() < 0.5
    first, last = (begin + 4, end) if is_content else (begin - 8, end + 16)
    for _ in range(random.integers(1, 9)):
        place = min(int(random.integers(first, last)), len(changed) - 1)
        match random.integers(2 if is_content else 4):
            case 0:
                changed[place] = int(random.choice([0, 255]))
            case 1:
                changed[place] = int(random.integers(256))
            case 2:
                del changed[place : place + int(random.integers(1, 20))]
            case 3:
                changed[place:place] = random.bytes(int(random.integers(1, 20)))
    if is_content and data.startswith(b"\x89PNG"):  # else Pillow would look no further than its checksum
        content = begin + 4 + int.from_bytes(changed[begin - 4 : begin])
        changed[content : content + 4] = zlib.crc32(changed[begin:content]).to_bytes(4)
    return bytes(changed)
