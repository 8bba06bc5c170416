"""Frames of video files and cameras, with their times."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from cris.errors import InputError, MissingFileError

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "m2ts", "wmv", "flv"),
        *("3gp", "ogv", "vob"),
    )
)
"""Endings of the names of video files, in lower case."""
_RATE = 25.0
"""Frames a second of a file that says neither that nor times."""
_MISSING_SECONDS = 0.5
"""Length by which a file must fall short of what its header says, to be called broken off."""


class TimedFrame(NamedTuple):
    """Frame with its time."""

    seconds: float
    """Time since the first frame."""
    pixels: UInt8[np.ndarray, "height width 3"]
    """Frame, upright, in RGB."""


class VideoFile:
    """Frames of a video file, in order of time; one that breaks off ends where it does, and tells so.

    Needs the extra `video`. Each iteration reads the file from its beginning.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the file and read its header.

        Raises:
            InputError: not a video, none in it, or nothing of it can be read.
            MissingFileError: no such file.
        """
        import av

        self.path = Path(path)
        """Path of the file."""
        self.damage: str | None = None
        """Reason why frames are missing, known once all were read; None for a whole file."""
        with self._opened() as container:
            stream = _first_video(container)
            if stream is None:
                raise InputError(f"{self.path}: expected a video, found a file without a video stream")
            duration = (container.duration or 0) / av.time_base
            rate = stream.average_rate or stream.guessed_rate
        self.rate = float(rate) if rate else None
        """Frames a second, on average; None where the file does not say."""
        self.count = stream.frames or round(duration * (rate or 0)) or None
        """Number of frames by the header, which may err; None where it does not say."""

    def __str__(self) -> str:
        """Return the path."""
        return str(self.path)

    def __iter__(self) -> Iterator[TimedFrame]:
        """Yield the frames.

        Raises InputError when not one can be decoded.
        """
        import av

        self.damage = None
        read = _Read()
        count = 0
        first = seconds = 0.0
        with self._opened() as container:
            stream = _first_video(container)
            for packet in _packets(container, stream, read):
                try:
                    frames = stream.decode(packet)
                except av.FFmpegError:
                    read.failed += 1
                    continue
                for frame in frames:
                    has_time = frame.pts is not None
                    seconds = (
                        float(frame.pts * stream.time_base) if has_time else count / (self.rate or _RATE)
                    )
                    first = first if count else seconds
                    pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                    yield TimedFrame(round(seconds - first, 6), np.ascontiguousarray(pixels))
                    count += 1
            duration = (container.duration or 0) / av.time_base
            missing = max(duration - read.end, (stream.frames - read.packets) / (self.rate or _RATE))
        if not count:
            raise InputError(f"{self.path}: expected a video, not one frame of it can be decoded")
        if read.is_cut or missing > _MISSING_SECONDS:
            self.damage = f"breaks off after {count:,} frames, at {seconds - first:.1f} s"
        elif read.failed:
            self.damage = f"has {read.failed:,} packets that cannot be decoded: their frames are left out"

    def _opened(self) -> Any:
        """Return the open container.

        Raises InputError when it is none, and MissingFileError.
        """
        import av

        if not self.path.exists():
            raise MissingFileError(f"{self.path}: expected a video, found no such file")
        if not self.path.is_file():
            raise InputError(f"{self.path}: expected a video, found a folder")
        try:
            return av.open(str(self.path))
        except av.error.InvalidDataError as error:
            raise InputError(
                f"{self.path}: expected a video, this is none, or its index is missing, as in part of a file"
            ) from error
        except av.FFmpegError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"{self.path}: expected a video, it cannot be read ({reason})") from error


class Camera:
    """Frames of a camera, until it is closed or gone."""

    rate: float | None = 30.0
    """Frames a second that an overlay video says it has."""
    damage: str | None = None
    """Reason why it ended by itself; None when it did not."""

    def __init__(self, index: int) -> None:
        """Take the camera of this number, as the system counts them from 0.

        Raises InputError when there is none, or another program has it.
        """
        self.index = index
        """Number of the camera, from 0."""
        self._camera = cv2.VideoCapture(index)
        if not self._camera.isOpened():
            raise InputError(
                f"camera {index} cannot be opened: expected the number of a camera that no other program uses"
            )

    def __str__(self) -> str:
        """Return its name."""
        return f"camera {self.index}"

    def __iter__(self) -> Iterator[TimedFrame]:
        """Yield frames as they come; times are those of this machine's clock."""
        start = None
        while True:
            is_there, pixels = self._camera.read()
            if not is_there:
                self.damage = "gave no more frames"
                return
            now = time.monotonic()
            start = now if start is None else start
            yield TimedFrame(round(now - start, 6), cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))

    def close(self) -> None:
        """Release the camera."""
        self._camera.release()


@dataclass
class _Read:
    """Packets read of a file so far."""

    packets: int = 0
    """Packets of the video stream."""
    failed: int = 0
    """Packets of it that were damaged or could not be decoded."""
    end: float = 0.0
    """End of the longest stream, in seconds."""
    is_cut: bool = False
    """True if the last packet is not whole."""


def _packets(container: Any, stream: Any, read: _Read) -> Iterator[Any]:
    """Yield the whole packets of a stream, then None for what its decoder holds back; note what was read."""
    import av

    origin = (container.start_time or 0) / av.time_base
    try:
        for packet in container.demux():  # all streams, as the longest tells how long the file should be
            if not packet.size:  # the end of a stream
                continue
            read.is_cut = packet.is_corrupt
            if packet.pts is not None:
                ticks = packet.pts + (packet.duration or 0)
                read.end = max(read.end, float(ticks * packet.time_base) - origin)
            if packet.stream.index == stream.index:
                read.packets += 1
                if packet.is_corrupt:
                    read.failed += 1
                else:
                    yield packet
    except av.FFmpegError:
        read.is_cut = True
    yield None


def is_video(named: str) -> bool:
    """Return whether a command's argument names a video by its suffix, or a camera by its number."""
    return Path(named).suffix.lower() in SUFFIXES or is_camera(named)


def is_video_file(named: str) -> bool:
    """Return whether an argument names a video that is there."""
    return Path(named).suffix.lower() in SUFFIXES and Path(named).is_file()


def is_camera(named: str) -> bool:
    """Return whether an argument is the number of a camera; a file of that name comes first."""
    return named.isascii() and named.isdigit() and not Path(named).exists()


def _first_video(container: Any) -> Any:
    """Return the first video stream that is not a cover; None without one."""
    from av.stream import Disposition

    moving = (each for each in container.streams.video if not each.disposition & Disposition.attached_pic)
    return next(moving, None)
