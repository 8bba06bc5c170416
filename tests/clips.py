"""Short videos with moving shapes, and the frames that are in them."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

RATE = 25


def moving_shapes(count: int, height: int = 48, width: int = 64) -> Iterator[np.ndarray]:
    """Yield frames in which a red disc and a blue square cross over grey."""
    for index in range(count):
        frame = np.full((height, width, 3), 128, dtype=np.uint8)
        place = 2 * index % width
        cv2.circle(frame, (place, height // 3), height // 5, (220, 40, 40), -1)
        top = height // 2
        cv2.rectangle(
            frame, (width - place, top), (width - place + height // 4, top + height // 4), (40, 60, 220), -1
        )
        yield frame


def write_clip(path: Path, count: int, codec: str = "libx264", **muxer: str) -> Path:
    """Write a video of that many frames, 25 a second, in the container that the suffix names."""
    import av

    with av.open(str(path), "w", options=muxer) as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.pix_fmt, stream.width, stream.height = "yuv420p", 64, 48
        for index, frame in enumerate(moving_shapes(count)):
            image = av.VideoFrame.from_ndarray(frame, format="rgb24")
            image.pts, image.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    """Write the first part of a file beside it, and return where."""
    content = path.read_bytes()
    part = path.with_name(f"cut-{path.name}")
    part.write_bytes(content[: int(share * len(content))])
    return part


def turn(path: Path, height: int) -> None:
    """Make an MP4 say that it is to be shown a quarter turn clockwise, as telephones do."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    one = 2**16
    content[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, height * one, 0, 2**30)
    path.write_bytes(content)
