"""`cris segment` of videos and cameras, with a tiny model."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cris import Segmenter
from cris.cli import errors
from cris.masks import decode_rle
from cris.video import reading
from cris.video.reading import VideoFile
from tests.cli.conftest import Cris, Outcome
from tests.fixtures.clips import cut, moving_shapes, write_clip
from tests.fixtures.plugin import Proof

SENTENCES = ("the red circle", "the blue square")
OVERLAYS = ("clip-the-red-circle.overlay.mp4", "clip-the-blue-square.overlay.mp4")
PATIENCE_SECONDS = 600


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", 20, movflags="faststart")


def lines_of(folder: str, name: str = "clip") -> list[dict[str, Any]]:
    lines = Path(folder, f"{name}.frames.jsonl").read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]


def record_of(folder: str) -> dict[str, Any]:
    return json.loads(Path(folder, "results.json").read_text())


def contents(folder: str | Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_each_frame_has_a_line_and_each_sentence_a_video(segment: Cris, clip: Path, checkpoint: Path) -> None:
    outcome = segment(clip, *SENTENCES)
    assert (outcome.code, outcome.err) == (0, "")
    assert sorted(contents("out")) == sorted(["results.json", "clip.frames.jsonl", *OVERLAYS])
    frames, record = list(VideoFile(clip)), record_of("out")
    assert (record["frames"], record["seconds"], record["damage"]) == (20, 0.76, None)
    assert (record["height"], record["width"]) == (48, 64)
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    drawn = [list(VideoFile(f"out/{name}")) for name in OVERLAYS]
    lines = lines_of("out")
    for index, (frame, line) in enumerate(zip(frames, lines, strict=True)):
        predictions = segmenter.predict(frame.pixels, SENTENCES)
        assert line == {
            "frame": index,
            "time": frame.seconds,
            "results": [each.to_dict() for each in predictions],
        }
        for prediction, result, video in zip(predictions, line["results"], drawn, strict=True):
            np.testing.assert_array_equal(decode_rle(result["rle"]), prediction.mask)
            assert video[index].seconds == pytest.approx(frame.seconds, abs=1e-4)
            error = np.abs(video[index].pixels.astype(int) - np.asarray(prediction.overlay()))
            assert error.mean() < 12
    for told, place, name in zip(record["sentences"], range(2), OVERLAYS, strict=True):
        found = sum(line["results"][place]["box"] is not None for line in lines)
        assert told == {"sentence": SENTENCES[place], "found": found, "overlay": name}
        assert f"found in {found} of 20 frames" in outcome.out


def test_the_same_command_again_changes_nothing_and_another_is_refused(segment: Cris, clip: Path) -> None:
    assert segment(clip, *SENTENCES).code == 0
    before = contents("out")
    assert segment(clip, *SENTENCES).code == 0
    assert contents("out") == before
    assert segment(clip, *SENTENCES, "--max-frames", "3", "--save", "mask").is_short_error()
    assert segment(clip, *SENTENCES, "--max-frames", "3", "--save", "mask", "--overwrite").code == 0
    assert sorted(contents("out")) == ["clip.frames.jsonl", "results.json"]
    assert len(lines_of("out")) == 3


def test_results_of_another_command_make_way_for_good(segment: Cris, clip: Path) -> None:
    Path("out").mkdir()
    Path("out/rows.parquet").write_bytes(b"")
    Path("out/_results.json").write_text(json.dumps({"job": "eval", "files": ["rows.parquet"]}))
    options = (SENTENCES[0], "--max-frames", "2", "--save", "mask")
    assert segment(clip, *options).is_short_error()
    assert segment(clip, *options, "--overwrite").code == 0
    assert sorted(contents("out")) == ["clip.frames.jsonl", "results.json"]
    assert segment(clip, *options).code == 0


def test_smoothing_threshold_and_score_are_those_of_a_stream(
    segment: Cris, clip: Path, checkpoint: Path
) -> None:
    options = ("--smoothing", "0.5", "--threshold", "0.45", "--min-score", "0.2", "--save", "mask", "--json")
    outcome = segment(clip, *SENTENCES, *options)
    assert json.loads(outcome.out) == record_of("out")
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    stream = segmenter.stream((frame.pixels for frame in VideoFile(clip)), SENTENCES, smoothing=0.5)
    for line, predictions in zip(lines_of("out"), stream, strict=True):
        expected = [each.at_threshold(0.45).at_least(0.2).to_dict() for each in predictions]
        assert line["results"] == expected


def test_of_a_video_that_breaks_off_everything_before_is_kept(segment: Cris, tmp_path: Path) -> None:
    part = cut(write_clip(tmp_path / "clip.mp4", 250, movflags="faststart"), 0.7)
    count = len(list(VideoFile(part)))
    outcome = segment(part, SENTENCES[0])
    assert outcome.code == 1
    assert outcome.err.startswith(f"cris: warning: {part} breaks off after {count} frames")
    assert outcome.err.count("\n") == 1
    assert len(lines_of("out", "cut-clip")) == record_of("out")["frames"] == count
    assert len(list(VideoFile("out/cut-clip-the-red-circle.overlay.mp4"))) == count


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("clip.mp4",), 2, "expected a sentence"),
        (("none.mp4", "the star"), 1, "found no such file"),
        (("text.mp4", "the star"), 1, "expected a video"),
        (("clip.mp4", "the star", "--save", "yolo"), 2, "mask and overlay for a video"),
        (("clip.mp4", "the star", "--smoothing", "1"), 2, "below 1"),
        (("clip.mp4", "the star", "--max-frames", "0"), 2, "at least 1"),
        (("street.jpg", "the star", "--smoothing", "0.5"), 2, "for videos and cameras"),
        (("987", "the star"), 1, "camera 987 cannot be opened"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], code: int, told: str, segment: Cris, clip: Path, image: Path
) -> None:
    clip.with_name("text.mp4").write_text("no video")
    outcome = segment(*arguments)
    assert outcome.code == code
    assert told in outcome.err.splitlines()[-1]
    assert not Path("out").exists()


def test_json_needs_a_folder(cris: Cris, clip: Path, checkpoint: Path) -> None:
    outcome = cris("segment", clip, "the star", "--model", checkpoint, "--json")
    assert outcome.is_short_error(2)
    assert "--json needs --out" in outcome.err


def test_without_the_extra_one_line_says_what_to_install(
    segment: Cris, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    outcome = segment(clip, "the star")
    assert outcome.is_short_error()
    assert "pip install 'cris[video]'" in outcome.err
    assert "av" in errors.EXTRAS


class FakeCamera:
    """A camera of OpenCV's, with so many frames; the process is interrupted after some."""

    def __init__(self, frames: int, interrupted_after: int | None = None) -> None:
        self.frames: Iterator[np.ndarray] = moving_shapes(frames)
        self.interrupted_after = interrupted_after
        self.read_frames = 0

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        frame = next(self.frames, None)
        if frame is None:
            return False, None
        self.read_frames += 1
        if self.read_frames == self.interrupted_after:
            signal.raise_signal(signal.SIGINT)
        return True, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)

    def release(self) -> None:
        self.frames = iter(())


@pytest.mark.parametrize(
    ("camera", "options", "frames", "code"),
    [
        (FakeCamera(50, interrupted_after=7), (), 7, 0),
        (FakeCamera(50), ("--max-frames", "5"), 5, 0),
        (FakeCamera(4), (), 4, 1),
    ],
    ids=["interrupted", "max frames", "unplugged"],
)
def test_a_camera_is_segmented_until_it_ends(
    camera: FakeCamera,
    options: tuple[str, ...],
    frames: int,
    code: int,
    segment: Cris,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading.cv2, "VideoCapture", lambda index: camera)
    before = signal.getsignal(signal.SIGINT)
    outcome: Outcome = segment("0", SENTENCES[0], *options)
    assert outcome.code == code
    assert signal.getsignal(signal.SIGINT) is before
    lines = lines_of("out", "camera-0")
    assert [line["frame"] for line in lines] == list(range(frames))
    assert lines[0]["time"] == 0 <= lines[-1]["time"] == record_of("out")["seconds"]
    assert len(list(VideoFile("out/camera-0-the-red-circle.overlay.mp4"))) == frames
    damage = f"gave no more frames after {frames} frames, at {lines[-1]['time']:.1f} s"
    assert record_of("out")["damage"] == (damage if code else None)
    assert segment("0", SENTENCES[0]).code == 1  # a recording is never overwritten unasked
    camera.frames = moving_shapes(2)
    assert segment("0", SENTENCES[1], "--overwrite").code == 1
    names = ["camera-0-the-blue-square.overlay.mp4", "camera-0.frames.jsonl", "results.json"]
    assert sorted(contents("out")) == names


def start(clip: Path, checkpoint: Path, out: Path) -> subprocess.Popen[bytes]:
    arguments = ("segment", str(clip), *SENTENCES, "--model", str(checkpoint), "--smoothing", "0.6")
    return subprocess.Popen(
        [sys.executable, "-m", "cris", *arguments, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def seconds_of_work(process: subprocess.Popen[bytes], out: Path, limit: float | None = None) -> float:
    """Wait until a process has worked so long, or has ended; return how long it worked."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and not list(out.glob(".partial-*/*")):
        assert time.monotonic() < ends
        time.sleep(0.005)
    began = time.monotonic()
    try:
        process.wait(limit if limit is not None else PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        assert limit is not None
    return time.monotonic() - began


@pytest.mark.usefixtures("forked_programs")
def test_a_killed_command_goes_on_to_the_same_bytes(prove: Proof, checkpoint: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", prove.count(full=300, quick=60))
    whole = start(clip, checkpoint, tmp_path / "whole")
    usual = seconds_of_work(whole, tmp_path / "whole")
    assert whole.returncode == 0
    expected = contents(tmp_path / "whole")
    kills, wanted, run = 0, prove.count(full=25, quick=2), 0
    chance = random.Random(0)
    while kills < wanted:
        run += 1
        out = tmp_path / f"out-{run}"
        while True:
            process = start(clip, checkpoint, out)
            try:
                seconds_of_work(process, out, chance.uniform(0, usual) if kills < wanted else None)
            finally:
                process.kill()
            if process.wait() == 0:
                break
            assert process.returncode == -signal.SIGKILL
            kills += 1
        assert contents(out) == expected
    prove.figure("kills of cris segment on a video, each gone on with to the same bytes", kills)


MEMORY = """
import sys
from cris.cli import main
from cris.process_memory import peak_bytes
assert main(sys.argv[1:]) == 0
print(peak_bytes())
"""


@pytest.mark.usefixtures("forked_programs")
def test_memory_does_not_grow_with_the_number_of_frames(
    prove: Proof, checkpoint: Path, tmp_path: Path
) -> None:
    many = prove.count(full=3000, quick=150)
    clip = write_clip(tmp_path / "clip.mp4", many)
    peaks = []
    for frames in (30, many):
        arguments = [
            "segment",
            str(clip),
            SENTENCES[0],
            "--model",
            str(checkpoint),
            "--max-frames",
            str(frames),
        ]
        arguments += ["--out", str(tmp_path / f"out-{frames}")]
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.splitlines()[-1]))
    more = (peaks[1] - peaks[0]) / 2**20
    prove.figure(f"peak memory of {many:,} frames of a video, over that of 30", f"{more:+.1f} MiB")
    assert more < 50
