from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from cris.errors import InputError, MissingFileError
from cris.video import reading
from cris.video.reading import Camera, VideoFile, is_camera, is_video
from tests.fixtures.clips import RATE, cut, moving_shapes, turn, write_clip

FORMATS = [
    ("a.mp4", "libx264", {"movflags": "faststart"}),
    ("a.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
    ("a.mkv", "libx264", {}),
    ("a.webm", "libvpx-vp9", {}),
    ("a.avi", "mpeg4", {}),
]


@pytest.mark.parametrize(
    ("name", "codec", "muxer"), [*FORMATS, ("a.mov", "libx264", {}), ("a.ts", "libx264", {})]
)
def test_every_frame_comes_at_its_time(name: str, codec: str, muxer: dict[str, str], tmp_path: Path) -> None:
    video = VideoFile(write_clip(tmp_path / name, 30, codec, **muxer))
    for _ in range(2):
        frames = list(video)
        assert [frame.seconds for frame in frames] == pytest.approx([i / RATE for i in range(30)], abs=1e-3)
        assert video.damage is None
    assert (video.rate, video.count) == (RATE, 30)
    errors = [
        np.abs(frame.pixels.astype(int) - drawn).mean()
        for frame, drawn in zip(frames, moving_shapes(30), strict=True)
    ]
    assert max(errors) < 8


@pytest.mark.parametrize(("name", "codec", "muxer"), FORMATS)
def test_a_file_that_breaks_off_gives_what_is_before(
    name: str, codec: str, muxer: dict[str, str], tmp_path: Path
) -> None:
    whole = write_clip(tmp_path / name, 250, codec, **muxer)
    frames = list(VideoFile(whole))
    video = VideoFile(cut(whole, 0.6))
    part = list(video)
    assert 75 < len(part) < 225
    assert video.damage == f"breaks off after {len(part)} frames, at {part[-1].seconds:.1f} s"
    for frame, same in zip(part, frames, strict=False):
        assert frame.seconds == same.seconds
        np.testing.assert_array_equal(frame.pixels, same.pixels)


def test_packets_that_cannot_be_decoded_are_passed_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 60)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content = path.read_bytes()
    damaged = max(packets[10:50], key=len)
    assert content.count(damaged) == 1
    path.write_bytes(content.replace(damaged, b"\xff" * len(damaged)))
    video = VideoFile(path)
    assert 50 < len(list(video)) < 60
    assert "1 packets that cannot be decoded" in str(video.damage)


def test_frames_are_upright(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 3)
    turn(path, height=48)
    frame = next(iter(VideoFile(path)))
    assert frame.pixels.shape == (64, 48, 3)
    _, shown = cv2.VideoCapture(str(path)).read()
    assert np.abs(frame.pixels.astype(int) - shown[..., ::-1]).mean() < 3


def sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_text("no video" * 99), "this is none, or its index is missing"),
        (lambda path: path.touch(), "this is none, or its index is missing"),
        (lambda path: cut(write_clip(path, 30), 0.6).replace(path), "this is none, or its index is missing"),
        (lambda path: path.mkdir(), "found a folder"),
        (sound, "without a video stream"),
    ],
    ids=["text", "empty", "index", "folder", "sound"],
)
def test_what_is_no_video_is_told(make: Callable[[Path], object], told: str, tmp_path: Path) -> None:
    make(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=told):
        VideoFile(tmp_path / "a.mp4")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="found no such file"):
        VideoFile(tmp_path / "a.mp4")


def test_videos_and_cameras_are_told_from_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [is_video(name) for name in ("a.mp4", "b.MOV", "0", "a.jpg", "photos", "-1")] == [True] * 3 + [
        False
    ] * 3
    assert is_camera("0")
    Path("0").touch()
    assert not is_camera("0")


def test_a_camera_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def isOpened(self) -> bool:  # noqa: N802
            return False

    monkeypatch.setattr(reading.cv2, "VideoCapture", lambda index: Nothing())
    with pytest.raises(InputError, match="camera 7 cannot be opened"):
        Camera(7)
