from pathlib import Path

import av
import numpy as np
import pytest

from cris.video.reading import VideoFile
from cris.video.writing import VideoWriter
from tests.fixtures.clips import moving_shapes

COLOURS = ((220, 40, 40), (30, 200, 60), (40, 60, 220), (250, 250, 250), (5, 5, 5))


def write(path: Path, frames: list[tuple[float, np.ndarray]], *, is_live: bool = False) -> Path:
    with VideoWriter(path, 25.0, is_live=is_live) as writer:
        for seconds, frame in frames:
            writer.add(frame, seconds)
    return path


@pytest.mark.parametrize("height", [64, 720])  # players guess the colours of small and large ones differently
def test_colours_stay(height: int, tmp_path: Path) -> None:
    frame = np.repeat(np.array([COLOURS], dtype=np.uint8), height, axis=0).repeat(64, axis=1)
    path = write(tmp_path / "a.mp4", [(0.0, frame)])
    (read,) = VideoFile(path)
    middles = read.pixels[height // 2, 32::64].astype(int)
    assert np.abs(middles - COLOURS).max() <= 6
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.colorspace == 1  # BT.709, which they then need not


@pytest.mark.parametrize("size", [(47, 63), (1, 1), (2, 3)])
def test_odd_sides_gain_a_pixel(size: tuple[int, int], tmp_path: Path) -> None:
    frame = np.full((*size, 3), 200, dtype=np.uint8)
    (read,) = VideoFile(write(tmp_path / "a.mp4", [(0.0, frame)]))
    assert read.pixels.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(read.pixels.astype(int) - 200).max() <= 3


def test_frames_keep_their_times_also_irregular_ones(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.1, 0.5, 0.5, 2.0]
    video = VideoFile(write(tmp_path / "a.mp4", list(zip(times, moving_shapes(6), strict=True))))
    assert [frame.seconds for frame in video] == pytest.approx(times, abs=1e-4)


def test_a_frame_of_another_size_is_brought_to_that_of_the_first(tmp_path: Path) -> None:
    frames = [(0.0, np.zeros((48, 64, 3), np.uint8)), (1.0, np.full((96, 96, 3), 90, np.uint8))]
    read = list(VideoFile(write(tmp_path / "a.mp4", frames)))
    assert [frame.pixels.shape for frame in read] == [(48, 64, 3)] * 2


def test_the_same_frames_make_the_same_bytes(tmp_path: Path) -> None:
    frames = [(index / 25, frame) for index, frame in enumerate(moving_shapes(60))]
    assert write(tmp_path / "a.mp4", frames).read_bytes() == write(tmp_path / "b.mp4", frames).read_bytes()


def test_a_live_file_can_be_read_though_it_was_never_closed(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", 25.0, is_live=True)
    for index, frame in enumerate(moving_shapes(600)):
        writer.add(frame, index / 25)
    part = (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    assert part
    assert 200 <= len(list(VideoFile(tmp_path / "b.mp4"))) < 600
    writer.__exit__(None, None, None)
    assert len(list(VideoFile(tmp_path / "a.mp4"))) == 600
