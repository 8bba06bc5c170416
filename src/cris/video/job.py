"""Segmentation of a video: a line of JSON for each frame, overlay videos, and going on after a kill."""

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cris.errors import InputError
from cris.files import PARTIAL, atomic_file
from cris.jobs import PARQUET_RECORD, RECORD, Job, read_record, recorded_files, to_json
from cris.lock import locked
from cris.masks import decode_rle
from cris.prediction import Prediction, highlight
from cris.progress import track
from cris.segmenter import Segmenter
from cris.stream import Smoother
from cris.video.reading import Camera, TimedFrame, VideoFile
from cris.video.writing import VideoWriter

_STATE_FILE = "state.npz"
_SAVED_FRAMES = 16
"""Frames after which the state is saved, at least: what is lost when the process is killed."""


@dataclass(frozen=True, kw_only=True)
class VideoTask:
    """Sentences and options of a video, and the files that are written."""

    sentences: tuple[str, ...]
    frames_file: str
    """Name of the file with a line for each frame."""
    overlay_files: tuple[str, ...]
    """Name of the overlay video of each sentence; none at all for no videos."""
    threshold: float | None = None
    """Probability above which a pixel is found; None for the model's own."""
    min_score: float = 0.0
    """Score below which an answer counts as finding nothing."""
    smoothing: float = 0.0
    """Weight of the frames before, as `Segmenter.stream` has it."""
    max_frames: int | None = None
    """Number of frames to take at most."""

    @property
    def files(self) -> list[str]:
        """Return the names of all files but the record."""
        return sorted((self.frames_file, *self.overlay_files))


@dataclass
class _State:
    """State between two batches; all that the rest of the frames' lines depends on."""

    found: list[int]
    """Number of frames in which each sentence found something."""
    frames: int = 0
    seconds: float = 0.0
    size: tuple[int, int] = (0, 0)
    bytes: int = 0
    """Length of the file of lines."""
    is_done: bool = False
    damage: str | None = None
    saved_at: int = 0
    """Number of frames when it was saved last."""

    @property
    def results(self) -> dict[str, Any]:
        """Return what the record says of the frames."""
        return {
            "frames": self.frames,
            "seconds": self.seconds,
            "height": self.size[0],
            "width": self.size[1],
            "damage": self.damage,
        }


def segment_video(
    segmenter: Segmenter, video: VideoFile, task: VideoTask, job: Job, out: Path, about: dict[str, Any]
) -> dict[str, Any]:
    """Write the files of the task and the record to `out`; return the record.

    A process that is killed leaves a hidden folder there, with which the next one of the same job goes on to
    the same bytes.

    Raises:
        InputError: a frame cannot be asked, nothing can be decoded, or another process does the same.
        OSError: something cannot be written.
    """
    work = _work_folder(job, out)
    is_finished = job.is_in(out) and all((out / name).exists() for name in task.files)
    is_new = not out.exists()
    with locked(work):
        try:
            if is_finished:
                record = read_record(out)
            else:
                if not (work / RECORD).exists():
                    _finish(segmenter, video, task, job, work, about)
                record = _publish(work, out)
        except BaseException:
            if not (work / _STATE_FILE).exists():  # nothing to go on with
                shutil.rmtree(work, ignore_errors=True)
                if is_new:
                    with suppress(OSError):  # it holds something
                        out.rmdir()
            raise
    shutil.rmtree(work, ignore_errors=True)
    return record


def is_begun(job: Job, out: Path) -> bool:
    """Return whether `out` holds what a killed process left of the job."""
    return _work_folder(job, out).is_dir()


def _work_folder(job: Job, out: Path) -> Path:
    return out / f"{PARTIAL}{job.fingerprint[:16]}"


def record_camera(
    segmenter: Segmenter,
    camera: Camera,
    task: VideoTask,
    job: Job,
    out: Path,
    about: dict[str, Any],
    is_stopped: Callable[[], bool],
) -> dict[str, Any]:
    """Write as `segment_video` does, but in place, as frames come, until it is stopped; return the record.

    What was written stays readable when the process is killed. The files of another job go away at once.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in (*recorded_files(read_record(out)), RECORD, PARQUET_RECORD):
        (out / name).unlink(missing_ok=True)
    state = _State([0] * len(task.sentences))
    smoother = _smoother(segmenter, task)
    frames = _until(is_stopped, islice(camera, task.max_frames))
    with ExitStack() as stack:
        lines = stack.enter_context((out / task.frames_file).open("wb"))
        writers = [
            stack.enter_context(VideoWriter(out / name, camera.rate, is_live=True))
            for name in task.overlay_files
        ]
        for answered in _answers(segmenter, track(frames, total=task.max_frames, what="frames"), task):
            for frame, predictions in answered:
                found = _write_line(lines, state, frame, smoother(predictions), task)
                lines.flush()
                for writer, prediction in zip(writers, found, strict=False):
                    writer.add(np.asarray(prediction.overlay()), frame.seconds)
    if not state.frames:
        for name in task.files:
            (out / name).unlink(missing_ok=True)
        raise InputError(f"{camera}: expected frames, got none")
    if camera.damage is not None:
        state.damage = f"{camera.damage} after {state.frames:,} frames, at {state.seconds:.1f} s"
    return _write_record(out, job.record(task.files, **about, **state.results, sentences=_told(task, state)))


def _finish(
    segmenter: Segmenter, video: VideoFile, task: VideoTask, job: Job, work: Path, about: dict[str, Any]
) -> None:
    """Write all that is missing of the task, then the record."""
    state = _write_frames(segmenter, video, task, work)
    if task.overlay_files:
        _write_overlays(video, task, work, state.frames)
    _write_record(work, job.record(task.files, **about, **state.results, sentences=_told(task, state)))


def _write_frames(segmenter: Segmenter, video: VideoFile, task: VideoTask, work: Path) -> _State:
    """Write the lines that are missing; return the state after the last."""
    smoother = _smoother(segmenter, task)
    state = _read_state(work, task, smoother)
    if state.is_done:
        return state
    total = min((each for each in (video.count, task.max_frames) if each is not None), default=None)
    left = islice(video, state.frames, task.max_frames)
    shown = track(left, total=None if total is None else max(0, total - state.frames), what="frames")
    with (work / task.frames_file).open("ab") as lines:
        lines.truncate(state.bytes)
        for answered in _answers(segmenter, shown, task):
            for frame, predictions in answered:
                _write_line(lines, state, frame, smoother(predictions), task)
            if state.frames - state.saved_at >= _SAVED_FRAMES:
                _save_state(work, lines, state, smoother)
        state.is_done, state.damage = True, video.damage
        _save_state(work, lines, state, smoother)
    return state


def _write_overlays(video: VideoFile, task: VideoTask, work: Path, total: int) -> None:
    """Write the overlay videos from the lines, decoding the video once more."""
    with ExitStack() as stack:
        lines = stack.enter_context((work / task.frames_file).open("rb"))
        writers = [stack.enter_context(VideoWriter(work / name, video.rate)) for name in task.overlay_files]
        frames = zip(lines, video, strict=False)  # lines may end before the video, by max_frames
        for line, frame in track(frames, total=total, what="overlay"):
            for writer, result in zip(writers, json.loads(line)["results"], strict=True):
                overlay = highlight(frame.pixels, decode_rle(result["rle"]))
                writer.add(np.asarray(overlay), frame.seconds)


def _answers(
    segmenter: Segmenter, frames: Iterable[TimedFrame], task: VideoTask
) -> Iterator[list[tuple[TimedFrame, list[Prediction]]]]:
    """Yield the frames and their predictions, batch by batch."""
    waiting: deque[TimedFrame] = deque()

    def remembered() -> Iterator[np.ndarray]:
        for frame in frames:
            waiting.append(frame)
            yield frame.pixels

    for batch in segmenter.stream_batches(remembered(), task.sentences):
        yield [(waiting.popleft(), predictions) for predictions in batch]


def _write_line(
    lines: BinaryIO, state: _State, frame: TimedFrame, predictions: Sequence[Prediction], task: VideoTask
) -> list[Prediction]:
    """Write the line of a frame, and return what it tells."""
    found = [
        (each if task.threshold is None else each.at_threshold(task.threshold)).at_least(task.min_score)
        for each in predictions
    ]
    results = [each.to_dict() for each in found]
    content = {"frame": state.frames, "time": frame.seconds, "results": results}
    state.bytes += lines.write(json.dumps(content, allow_nan=False).encode("ascii") + b"\n")
    state.frames += 1
    state.seconds = frame.seconds
    if state.frames == 1:
        state.size = (frame.pixels.shape[0], frame.pixels.shape[1])
    state.found = [
        count + (result["box"] is not None) for count, result in zip(state.found, results, strict=True)
    ]
    return found


def _smoother(segmenter: Segmenter, task: VideoTask) -> Smoother:
    if task.threshold is not None:
        return Smoother(task.smoothing, task.threshold)
    inference = segmenter.inference
    return Smoother(task.smoothing, inference.threshold, inference.relative_threshold)


def _save_state(work: Path, lines: BinaryIO, state: _State, smoother: Smoother) -> None:
    lines.flush()
    state.saved_at = state.frames
    about = {**vars(state), "smoothed_size": smoother.size, "presence": smoother.presence}
    grids = np.zeros((0, 0, 0), dtype=np.float32) if smoother.grids is None else smoother.grids
    with atomic_file(work / _STATE_FILE) as partial, partial.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), grids=grids)


def _read_state(work: Path, task: VideoTask, smoother: Smoother) -> _State:
    """Return what was saved, and give the smoother its part; the beginning where nothing whole is there."""
    for path in work.iterdir():  # of writes that were cut short
        if path.name.endswith(f"-{_STATE_FILE}"):
            path.unlink()
    try:
        with np.load(work / _STATE_FILE, allow_pickle=False) as saved:
            about, grids = json.loads(str(saved["about"])), saved["grids"]
        if (work / task.frames_file).stat().st_size < about["bytes"]:  # of a machine that stopped
            raise OSError
    except (OSError, ValueError, KeyError, EOFError):
        return _State([0] * len(task.sentences))
    size, smoother.presence = about.pop("smoothed_size"), about.pop("presence")
    if size is not None:
        smoother.size, smoother.grids = (size[0], size[1]), grids
    return _State(**about | {"size": tuple(about["size"])})


def _publish(work: Path, out: Path) -> dict[str, Any]:
    """Move the files of a finished job to `out`, remove those of the job before it, move the record last."""
    record = read_record(work)
    for name in record["files"]:
        if (work / name).exists():  # else it was moved by a process that was killed here
            (work / name).replace(out / name)
    for name in {*recorded_files(read_record(out)), PARQUET_RECORD} - set(record["files"]):
        (out / name).unlink(missing_ok=True)
    (work / RECORD).replace(out / RECORD)
    return record


def _write_record(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    with atomic_file(folder / RECORD) as partial:
        partial.write_text(to_json(record), encoding="utf-8")
    return record


def _told(task: VideoTask, state: _State) -> list[dict[str, Any]]:
    """Return what the record says of each sentence."""
    overlays = task.overlay_files or (None,) * len(task.sentences)
    return [
        {"sentence": sentence, "found": count} | ({} if overlay is None else {"overlay": overlay})
        for sentence, count, overlay in zip(task.sentences, state.found, overlays, strict=True)
    ]


def _until(is_stopped: Callable[[], bool], frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    for frame in frames:
        yield frame
        if is_stopped():
            return
