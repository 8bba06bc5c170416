"""`cris segment` of a video or a camera."""

import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cris.cli.console import show
from cris.cli.errors import UsageError
from cris.cli.saving import OUT, saved_forms, warn_of_domain
from cris.filenames import result_names, slug
from cris.jobs import Job, model_sha256, sha256_if_readable, to_json
from cris.registry import resolve
from cris.video.reading import Camera, VideoFile, is_camera

if TYPE_CHECKING:
    from cris.cli.segment import Command

_NAME_BYTES = 80


def segment_frames(command: "Command") -> int:
    """Segment every frame; return 1 when the video breaks off, or the camera does."""
    from cris.segmenter import Segmenter
    from cris.video.job import VideoTask, is_begun, record_camera, segment_video

    _check(command)
    forms = saved_forms(command.save)
    source = command.image
    is_live = is_camera(source)
    if "overlay" in forms or not is_live:
        import av  # noqa: F401 - a missing one is told before anything is computed
    video = None if is_live else VideoFile(source)
    name = f"camera-{int(source)}" if is_live else slug(Path(source).stem, _NAME_BYTES)
    overlays = result_names((name, sentence) for sentence in command.sentences) if "overlay" in forms else []
    task = VideoTask(
        sentences=command.sentences,
        frames_file=f"{name}.frames.jsonl",
        overlay_files=tuple(f"{each}.overlay.mp4" for each in overlays),
        threshold=command.threshold,
        min_score=command.min_score,
        smoothing=command.smoothing,
        max_frames=command.max_frames,
    )
    checkpoint = resolve(command.model)
    segmenter = Segmenter.from_pretrained(checkpoint, command.device, is_strict=command.strict)
    job = Job(
        "segment",
        {
            "model": model_sha256(checkpoint),
            "video": [source, time.time() if is_live else sha256_if_readable(Path(source))],
            "sentences": command.sentences,
            "files": task.files,
            "threshold": command.threshold,
            "min_score": command.min_score,
            "smoothing": command.smoothing,
            "max_frames": command.max_frames,
        },
    )
    about: dict[str, Any] = {
        "model": command.model,
        "threshold": segmenter.inference.threshold if command.threshold is None else command.threshold,
        "min_score": command.min_score,
        "smoothing": command.smoothing,
        "video": source,
    }
    warn_of_domain(command.model, checkpoint)
    out = command.out or job.free_folder(OUT)
    if not is_begun(job, out):
        job.check_free(out, task.files, overwrite=command.overwrite)
    if video is not None:
        try:
            record = segment_video(segmenter, video, task, job, out, about)
        except KeyboardInterrupt:
            if is_begun(job, out):
                warnings.warn("the same command goes on from here", stacklevel=1)
            raise
    else:
        camera = Camera(int(source))
        try:
            with _until_interrupted() as is_stopped:
                record = record_camera(segmenter, camera, task, job, out, about, is_stopped)
        finally:
            camera.close()
    if command.as_json:
        sys.stdout.write(to_json(record))
    else:
        for told in record["sentences"]:
            where = f"found in {told['found']:,} of {record['frames']:,} frames"
            show(f"{source}  “{told['sentence']}”  {where}  {out / told.get('overlay', task.frames_file)}")
    if record["damage"] is not None:
        warnings.warn(f"{source} {record['damage']}", stacklevel=1)
    return 0 if record["damage"] is None else 1


def _check(command: "Command") -> None:
    if not 0 <= command.smoothing < 1:
        raise UsageError(f"--smoothing must be at least 0 and below 1, got {command.smoothing:g}")
    if command.max_frames is not None and command.max_frames < 1:
        raise UsageError(f"--max-frames must be at least 1, got {command.max_frames}")
    for form in saved_forms(command.save):
        if form not in ("mask", "overlay"):
            raise UsageError(
                f"--save takes mask and overlay for a video, got {form!r}: "
                "masks of frames are written as run lengths"
            )
    if command.as_json and command.out is None:
        raise UsageError("--json needs --out for a video: what is found in its frames goes to a file there")


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed; the second time, it interrupts."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    sys.stderr.write("cris: Ctrl-C ends it, and keeps what was written\n")
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)
