import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from cris.errors import InputError
from cris.image import open_image, read_image, suffixes, warn_of_unread

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
SMOOTH = np.stack(np.meshgrid(np.arange(0, 240, 3), np.arange(0, 240, 5)) * 2, axis=-1)[..., :3].astype(
    np.uint8
)


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def test_file_bytes_image_and_array_are_one(tmp_path: Path):
    path = tmp_path / "façade de l'église 教会.png"
    Image.fromarray(RGB).save(path)
    for source in (path, str(path), path.read_bytes(), Image.fromarray(RGB), RGB):
        np.testing.assert_array_equal(read_image(source), RGB)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_images_are_turned_as_exif_says(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    data = encoded(Image.fromarray(SMOOTH), form, exif=exif, **options)
    upright = Image.fromarray(SMOOTH)
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright))
    got = read_image(data)
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).max() <= (3 if form == "JPEG" else 0)
    assert got.flags.c_contiguous


def test_a_pillow_image_is_turned_too():
    image = Image.fromarray(RGB)
    image.getexif()[0x0112] = 6
    np.testing.assert_array_equal(read_image(image), np.rot90(RGB, -1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0rubbish",
        b"Exif\0\0II",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02ab\0\0",
    ],
)
def test_damaged_exif_does_not_matter(exif, form):
    # a JPEG with a density of its own is one whose EXIF Pillow does not look at when it opens it
    data = encoded(Image.fromarray(SMOOTH), form, exif=exif, dpi=(72, 72))
    assert read_image(data).shape == SMOOTH.shape
    assert open_image(data, "it").size == SMOOTH.shape[1::-1]


def png_with(*chunks: tuple[bytes, bytes], checksum: int | None = None) -> bytes:
    """A PNG that lies on its side by its EXIF, and has these chunks before it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(RGB), "PNG", exif=exif)
    made = (
        len(content).to_bytes(4)
        + kind
        + content
        + (zlib.crc32(kind + content) if checksum is None else checksum).to_bytes(4)
        for kind, content in chunks
    )
    return data[:33] + b"".join(made) + data[33:]


@pytest.mark.parametrize(
    "data",
    [
        png_with((b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2**21)))),
        png_with((b"iCCP", b"profile\0\0" + zlib.compress(bytes(2**21)))),
        png_with((b"tEXt", b"workflow\0text"), checksum=7),
        png_with((b"gAMA", bytes(4)), checksum=7),
    ],
    ids=["text of 2 MB", "profile of 2 MB", "damaged text", "damaged gamma"],
)
def test_metadata_that_pillow_refuses_cost_neither_pixels_nor_orientation(data):
    with pytest.raises((ValueError, OSError)):
        Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(read_image(data), np.rot90(RGB, -1))
    assert open_image(data, "it").size == RGB.shape[1::-1]


def test_damaged_pixels_are_still_refused():
    whole = png_with()
    place = whole.index(b"IDAT") + 20
    with pytest.raises(InputError, match="damaged"):
        read_image(whole[:place] + b"\0" * 40 + whole[place + 40 :])


@pytest.mark.parametrize("work", ["load", "getexif", "crop"])
@pytest.mark.parametrize("error", [SyntaxError, struct.error, RecursionError, ZeroDivisionError])
def test_whatever_pillow_raises_concerns_the_image(work, error, monkeypatch):
    def fail(*_):
        raise error("inside")

    monkeypatch.setattr(f"PIL.PngImagePlugin.PngImageFile.{work}", fail)
    data = png_with()
    if work == "getexif":
        np.testing.assert_array_equal(read_image(data), RGB)
    else:
        with pytest.raises(InputError, match=r"the bytes: damaged or incomplete image \(inside\)"):
            read_image(data)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "RGBX"])
def test_colours_survive_every_mode(mode):
    image = Image.fromarray(np.where(RGB[..., :1] > 99, 255, 0).astype(np.uint8).repeat(3, 2)).convert(mode)
    np.testing.assert_array_equal(read_image(image), np.where(RGB[..., :1] > 99, 255, 0).repeat(3, 2))


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_keeps_its_upper_bits(form):
    levels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    got = read_image(encoded(Image.fromarray(levels), form))
    np.testing.assert_array_equal(got, (levels // 256)[..., None].repeat(3, 2))


def test_16_bit_colour_keeps_its_upper_bits(tmp_path):
    cv2 = pytest.importorskip("cv2")
    levels = RGB.astype(np.uint16) * 256 + 77
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), levels[..., ::-1])
    np.testing.assert_array_equal(read_image(path), RGB)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["<u2", ">u2"])
def test_grey_of_fewer_bits_than_16_is_not_black(bits, kind, monkeypatch):
    monkeypatch.setattr("cris.image._PIXELS_AT_ONCE", 4)  # so that the brightest level is in another band
    levels = np.linspace(0, 2**bits - 1, 12).astype(kind).reshape(3, 4)
    got = read_image(encoded(Image.fromarray(levels), "TIFF"))
    np.testing.assert_array_equal(got[..., 0], levels >> (bits - 8))


def test_colour_of_12_bits_in_16_is_told_to_be_nearly_black(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), RGB.astype(np.uint16) * 16)
    with pytest.warns(UserWarning, match=r"deep\.png: nearly black"):
        assert read_image(path).max() < 16


def test_a_image_of_two_views_is_its_first(tmp_path):
    path = tmp_path / "both.mpo"
    views = [Image.new("RGB", (5, 4), colour) for colour in ("red", "lime")]
    views[0].save(path, "MPO", save_all=True, append_images=views[1:])
    assert ".mpo" in suffixes()
    assert np.abs(read_image(path).astype(int) - [255, 0, 0]).max() <= 3


HEIC_HEAD = b"\0\0\0\x18ftypheic" + bytes(20)


def test_heic_is_named_where_nothing_can_read_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"found HEIC: convert it, or pip install 'cris\[heif\]'"):
        read_image(HEIC_HEAD)
    assert ".heic" not in suffixes()
    told = r"^left out 4 .* not read: b.HEIC, c.dng, d.jxl…; convert them, or pip install 'cris\[heif\]'"
    with pytest.warns(UserWarning, match=told):
        warn_of_unread(["a.jpg", "b.HEIC", "notes.txt", "c.dng", "d.jxl", "e.psd"])


def test_heic_is_read_with_its_extra(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(SMOOTH)).save(tmp_path / "a.heic", quality=100)
    assert ".heic" in suffixes()
    assert np.abs(read_image(tmp_path / "a.heic").astype(int) - SMOOTH).mean() < 3
    with pytest.raises(InputError, match="the bytes: damaged"):
        read_image(HEIC_HEAD)


def test_a_folder_without_strange_images_is_silent(recwarn):
    warn_of_unread(["a.jpg", "notes.txt", "b.png"])
    assert not list(recwarn)


def test_a_limit_of_pixels_is_kept_before_decoding(monkeypatch):
    data = encoded(Image.fromarray(SMOOTH), "PNG")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(InputError, match="at most 100 pixels, got 80×48: shrink it"):
        read_image(data, max_pixels=100)


def test_cmyk_jpeg_comes_as_rgb():
    data = encoded(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(read_image(data).astype(int) - SMOOTH).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_what_is_transparent_is_white(mode):
    image = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    image.putpixel((1, 1), (0, 0, 0, 255))
    expected = np.full((2, 4, 3), 255)
    expected[1, 1] = 0
    data = encoded(image.convert(mode), "PNG")
    np.testing.assert_array_equal(read_image(data), expected)


def test_half_transparent_is_half_white():
    image = Image.new("RGBA", (1, 1), (0, 100, 200, 51))
    np.testing.assert_array_equal(read_image(image), [[[204, 224, 244]]])


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_counts(form):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 3
    assert np.abs(read_image(data).astype(int) - [255, 0, 0]).max() <= 3


def test_one_pixel_is_a_image():
    np.testing.assert_array_equal(
        read_image(encoded(Image.new("RGB", (1, 1), "navy"), "PNG")), [[[0, 0, 128]]]
    )


def test_bands_of_a_large_image_meet(monkeypatch):
    monkeypatch.setattr("cris.image._PIXELS_AT_ONCE", 20)
    image = Image.fromarray(RGB)
    image.getexif()[0x0112] = 8
    np.testing.assert_array_equal(read_image(image), np.rot90(RGB))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "JPEG2000"])
def test_a_truncated_file_is_refused_or_whole(form):
    """A file may miss its closing mark, and nothing else."""
    data = encoded(Image.fromarray(SMOOTH), form)
    whole = read_image(data)
    for length in range(1, len(data), max(1, len(data) // 60)):
        if length > len(data) - 20:
            with suppress(ValueError):
                np.testing.assert_array_equal(read_image(data[:length]), whole)
        else:
            with pytest.raises(ValueError, match="the bytes"):
                read_image(data[:length])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jpg", b"", "found nothing"),
        (
            "text.jpg",
            b"this is not an image at all",
            r"text.jpg: expected an image \(JPEG, PNG, .* found something else",
        ),
        ("drawing.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "found something else"),
        ("half.png", encoded(Image.fromarray(RGB), "PNG")[:50], "damaged"),
        ("bits.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "damaged|found something else"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_missing_files_folders_and_devices_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.jpg: expected an image, found no such file"):
        read_image(tmp_path / "nowhere.jpg")
    with pytest.raises(FileNotFoundError, match=r"nowhere.jpg: expected an image"):
        read_image(str(tmp_path / "nowhere.jpg"))
    with pytest.raises(ValueError, match="found a folder"):
        read_image(tmp_path)
    with pytest.raises(ValueError, match="found no file"):
        read_image(os.devnull)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(tmp_path):
    path = tmp_path / "locked.png"
    path.write_bytes(encoded(Image.fromarray(RGB), "PNG"))
    path.chmod(0)
    with pytest.raises(ValueError, match=r"locked.png: cannot be read \(Permission denied\)"):
        read_image(path)


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    data = encoded(Image.fromarray(SMOOTH), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SMOOTH.shape[0] * SMOOTH.shape[1] - 1)
    assert read_image(data).shape == SMOOTH.shape  # within twice the number, silently
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="the bytes: too large an image"):
        read_image(data)


@pytest.mark.parametrize(
    ("array", "came"),
    [
        (RGB.astype(np.float32), r"float32 \(6, 9, 3\)"),
        (RGB[..., 0], r"uint8 \(6, 9\)"),
        (RGB[:0], r"uint8 \(0, 9, 3\)"),
        (RGB[..., [0, 1, 2, 2]], r"uint8 \(6, 9, 4\)"),
    ],
)
def test_other_arrays_are_refused(array, came):
    with pytest.raises(ValueError, match=f"expected a uint8 RGB array .*{came}"):
        read_image(array)


@pytest.mark.parametrize("source", [None, 7, ["street.jpg"]])
def test_other_things_are_refused(source):
    with pytest.raises(ValueError, match="expected a path, bytes, a Pillow image or a uint8 RGB array"):
        read_image(source)


@pytest.mark.parametrize(
    "image", [Image.new("F", (2, 2)), Image.new("LAB", (2, 2)), Image.new("I", (2, 2), 1 << 20)]
)
def test_images_without_a_known_range_are_refused(image):
    with pytest.raises(ValueError, match="expected an image of 8 or 16 bits"):
        read_image(image)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match="no pixels"):
        read_image(Image.new("RGB", (0, 5)))
