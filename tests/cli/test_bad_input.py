"""What bad input gets: one line, an exit code, and nothing written."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Cris, left_behind

RED = "the red ring"


def text_file(path: Path) -> None:
    path.write_text("not an image")


def truncated(path: Path) -> None:
    path.write_bytes(path.with_name("street.jpg").read_bytes()[:400])


BAD_IMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "bad.jpg"),
    "empty": (Path.touch, "0 bytes"),
    "no image": (text_file, "expected an image"),
    "truncated": (truncated, "bad.jpg"),
    "empty folder": (Path.mkdir, "has none"),
}


@pytest.mark.parametrize(("make", "told"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_image_is_one_line_and_writes_nothing(
    make: Callable[[Path], object], told: str, segment: Cris, image: Path
) -> None:
    path = image.with_name("bad.jpg")
    make(path)
    outcome = segment(path, RED)
    assert outcome.is_short_error()
    assert told in outcome.err
    assert left_behind() == []


@pytest.mark.parametrize(
    "arguments", [("nowhere/*.jpg", RED), ("street.jpg", ""), ("street.jpg", RED, " \t\n")]
)
def test_bad_pattern_or_sentence_is_one_line_and_writes_nothing(
    arguments: tuple[str, ...], segment: Cris, image: Path
) -> None:
    assert segment(*arguments).is_short_error()
    assert left_behind() == []


def test_no_sentence_is_wrong_use(segment: Cris, image: Path) -> None:
    outcome = segment(image)
    assert outcome.is_short_error(2)
    assert "expected a sentence" in outcome.err


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--device", "cuda:99", "device must be"),
        ("--device", "toaster", "'toaster'"),
        ("--model", "cris-scene", "did you mean cris-scenes?"),
        ("--model", "RN50", "models are cris-photos, cris-scenes"),
        ("--model", "street.jpg", "must be a checkpoint folder"),
        ("--model", ".", "config.json"),
        ("--out", "street.jpg", "--out must name a folder"),
        ("--out", "street.jpg/deeper", "street.jpg/deeper: not a directory"),
        ("--out", "/proc/nowhere", "/proc/nowhere"),
    ],
)
def test_bad_option_is_one_line_and_writes_nothing(
    option: str, value: str, told: str, cris: Cris, image: Path, checkpoint: Path
) -> None:
    options = {"--model": checkpoint, "--out": "out"} | {option: value}
    outcome = cris("segment", image, RED, *(part for pair in options.items() for part in pair))
    assert outcome.is_short_error()
    assert told in outcome.err
    assert left_behind() == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.json", lambda data: b"{"),
        ("config.json", lambda data: b'{"architectures": ["CLIPModel"]}'),
        ("model.safetensors", lambda data: data[: len(data) // 2]),
        ("model.safetensors", lambda data: b"\x80\x04 pickle"),
        ("tokenizer.json", lambda data: b"{}"),
        ("tokenizer.json", None),
    ],
)
def test_damaged_checkpoint_is_one_line_and_writes_nothing(
    name: str,
    damage: Callable[[bytes], bytes] | None,
    cris: Cris,
    image: Path,
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    model = shutil.copytree(checkpoint, tmp_path / "photos")
    data = (model / name).read_bytes()
    (model / name).unlink()
    if damage is not None:
        (model / name).write_bytes(damage(data))
    outcome = cris("segment", image, RED, "--model", model, "--out", "out")
    assert outcome.is_short_error()
    assert name in outcome.err
    assert left_behind() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_one_line_and_leaves_nothing(
    number: int, segment: Cris, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overlay(*_: object) -> Image.Image:
        assert list(Path("out").rglob("*.mask.png"))  # so there is something half-written
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("cris.prediction.Prediction.overlay", overlay)
    outcome = segment(image, RED)
    assert outcome.is_short_error()
    assert "the disk is full" in outcome.err
    assert left_behind() == []


def test_lack_of_memory_is_one_line_with_advice(
    segment: Cris, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 80000000000 bytes"
        )

    monkeypatch.setattr("cris.model.Cris.encode_image", exhausted)
    outcome = segment(image, RED)
    assert outcome.is_short_error()
    assert "out of memory: " in outcome.err
    assert left_behind() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_leaves_nothing_half_written(
    number: int, code: int, segment: Cris, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overlay(*_: object) -> None:
        assert list(Path("out").rglob("*.mask.png"))
        os.kill(os.getpid(), number)
        time.sleep(10)
        pytest.fail("the signal was not heeded")

    monkeypatch.setattr("cris.prediction.Prediction.overlay", overlay)
    # what a shell starts in the background ignores SIGINT from the start
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert segment(image, RED).code == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert left_behind() == []
