"""Overlay videos: H.264 in MP4, which browsers and players show."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

_TICKS = 90_000  # a second: whole numbers of them are frames of all usual rates
_CRF = "20"  # x264's constant quality; 18 is hard to tell from the source
_EXACT = "mbtree=0:weightp=0"  # with either, x264 makes other bytes of the same frames at times
_THREADS = 1  # the bytes must not depend on how threads are scheduled


class VideoWriter:
    """Writer of one video; the same frames make the same bytes. Needs the extra `video`."""

    def __init__(self, path: Path, rate: float | None, *, is_live: bool = False) -> None:
        """Begin a file.

        Args:
            path: what to write, ending in .mp4.
            rate: frames a second, as the header tells it; each frame has its own time.
            is_live: write so that a file cut off at any moment can be played up to there.
        """
        import av

        flags = "frag_keyframe+empty_moov+default_base_moof" if is_live else "faststart"
        options = {"movflags": flags, "flush_packets": "1" if is_live else "-1"}
        self._container = av.open(str(path), "w", options=options)
        self._rate = Fraction(rate or 25.0).limit_denominator(1001)
        self._stream: Any = None
        self._last = -1
        self._size = (0, 0)

    def __enter__(self) -> "VideoWriter":
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what is held back, and close the file, also after an exception."""
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def add(self, pixels: UInt8[np.ndarray, "height width 3"], seconds: float) -> None:
        """Add a frame at its time; one of another size than the first is brought to that."""
        import av

        if self._stream is None:
            self._begin(pixels)
        if pixels.shape[1::-1] != self._size:
            pixels = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA)
        right, below = self._size[0] % 2, self._size[1] % 2  # yuv420p has even sides
        if right or below:
            pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", threads=_THREADS
        )
        frame.pts = self._last = max(round(seconds * _TICKS), self._last + 1)
        frame.time_base = Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def _begin(self, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        self._size = (pixels.shape[1], pixels.shape[0])
        stream: Any = self._container.add_stream(
            "libx264", rate=self._rate, options={"crf": _CRF, "preset": "veryfast", "x264-params": _EXACT}
        )
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, _TICKS)
        context.thread_count = _THREADS
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.color_range = 1  # 16 to 235
        self._stream = stream
