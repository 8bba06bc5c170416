import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cris import Segmenter
from cris.conversions import outlines_of
from tests.cli.conftest import Cris
from tests.cli.test_documented import fields, first_cells, section
from tests.fixtures.bulk import rows_of, shard_files, write_parquet, write_sentences
from tests.fixtures.served import wait_for
from tests.fixtures.sessions import session_of


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Three images in the folder photos, of which one is none, and two sentences for all."""
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30), "red").save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "c.png").write_text("no image")
    path = tmp_path / "asked.txt"
    path.write_text("the red ring\nthe blue square\n")
    return path


@pytest.fixture
def batch(cris: Cris, checkpoint: Path, asked: Path) -> Cris:
    """`cris batch` of the photos, on one process."""

    def run(*arguments: str | Path, source: str = "photos", out: str = "out") -> object:
        one = ("--processes", "1", "--device", "cpu", "--shard-rows", "2")
        return cris("batch", source, out, "--sentences", asked, "--model", checkpoint, *one, *arguments)

    return run


def test_a_job_ends_goes_on_and_is_refused(batch: Cris, asked: Path) -> None:
    outcome = batch()
    assert (outcome.code, outcome.out) == (0, "out: 3 images, 6 rows in 3 files, 3 of them new\n")
    assert outcome.err == "cris: warning: 2 of 6 rows have no answer: their column error says why\n"
    rows = rows_of(Path("out"))
    assert [row["picture"] for row in rows] == ["a.png", "a.png", "b.png", "b.png", "c.png", "c.png"]
    assert [row["error"] is None for row in rows] == [True] * 4 + [False] * 2
    manifest = json.loads(Path("out/_manifest.json").read_text())
    assert set(fields(manifest)) == set(first_cells(section("json.md", "cris batch")))

    before = shard_files(Path("out"))
    assert batch().is_short_error()
    Path("out/rows-00001-of-00003.parquet").unlink()
    assert "1 of them new" in batch("--resume").out
    assert json.loads(batch("--resume", "--json").out) == manifest
    assert shard_files(Path("out")) == before
    assert "0 of them new" in batch("--resume").out
    asked.write_text("the red ring\n")
    refused = batch("--resume")
    assert refused.is_short_error()
    assert "another job" in refused.err
    assert shard_files(Path("out")) == before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--address", "here:1"), 2, "--engine ray"),
        (("--engine", "ray"), 2, "--processes is for --engine local"),
        (("--processes", "0"), 2, "at least 1"),
        (("--cpus", "0"), 2, "more than 0"),
        (("--shard-rows", "0"), 1, "at least 1 row"),
        (("--device", "toaster"), 1, "'toaster'"),
        (("--model", "cris-scene"), 1, "did you mean cris-scenes?"),
        (("--sentences", "nowhere.txt"), 1, "nowhere.txt: no such file"),
        (("--sentences", "photos"), 1, "photos: is a directory"),
    ],
)
def test_wrong_options_are_one_line(arguments, code, told, batch: Cris) -> None:
    outcome = batch(*arguments)
    assert outcome.is_short_error(code)
    assert told in outcome.err
    assert not list(Path().rglob("*.parquet"))


@pytest.mark.parametrize(
    ("source", "out", "told"),
    [
        ("nowhere", "out", "nowhere: expected a folder, a pattern or a file"),
        ("asked.txt", "out", "found none"),
        ("photos", "photos/out", "must not be inside IN"),
        ("photos", "asked.txt", "must name a folder"),
        ("photos", "asked.txt/deeper", "not a directory"),
        ("photos", "/proc/nowhere", "/proc/nowhere"),
        ("gs://bucket/photos", "out", "gs://bucket/photos cannot be opened"),
    ],
)
def test_wrong_places_are_one_line(source, out, told, batch: Cris) -> None:
    outcome = batch(source=source, out=out)
    assert outcome.is_short_error()
    assert told in outcome.err
    assert not list(Path().rglob("*.parquet"))


def test_images_of_which_none_can_be_read_are_a_failure(batch: Cris) -> None:
    outcome = batch(source="photos/c.png")
    assert outcome.code == 1
    assert "2 of 2 rows have no answer" in outcome.err


def test_an_exported_model_gives_its_own_rows(batch: Cris, exported: Path) -> None:
    shutil.copytree(exported, "exported")
    outcome = batch("--model", "exported", source="photos/a.png")
    assert (outcome.code, outcome.out) == (0, "out: 1 images, 2 rows in 1 files, 1 of them new\n")
    alone = Segmenter.from_pretrained("exported").predict("photos/a.png", ["the red ring", "the blue square"])
    for row, prediction in zip(rows_of(Path("out")), alone, strict=True):
        assert row["score"] == pytest.approx(prediction.score, abs=1e-5)
        assert row["rle"] == prediction.to_rle()
    Path("exported/config.json").write_text("{")
    assert batch("--model", "exported", "--overwrite").is_short_error()


def test_a_long_sentence_is_told_once(batch: Cris, asked: Path) -> None:
    asked.write_text("the red ring " * 20)
    assert batch(source="photos/a.png").err.count("is not read") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_the_job_and_its_processes(number, code, tmp_path: Path, checkpoint: Path) -> None:
    image = Image.new("RGB", (32, 32), "red")
    image.save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    many = [(f"{place}.png", content, "the red ring") for place in range(4000)]
    write_parquet(tmp_path / "in.parquet", many)
    write_sentences(tmp_path / "asked.jsonl", many)
    command = [sys.executable, "-m", "cris", "batch", "in.parquet", "out", "--sentences", "asked.jsonl"]
    command += ["--model", str(checkpoint), "--shard-rows", "4", "--processes", "1", "--device", "cpu"]
    # what a shell starts in the background ignores SIGINT from the start
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for_shards(tmp_path / "out", 2, process)
    (worker,) = workers_of(process)
    process.send_signal(number)
    assert process.wait(timeout=60) == code
    assert worker not in session_of(process)  # looked at before stderr, whose end waits for all who share it
    _, told = process.communicate(timeout=60)
    assert told == ("cris: interrupted\n" if code == 130 else "")
    wait_for(lambda: not session_of(process))
    assert 2 <= len(shard_files(tmp_path / "out")) < 1000
    assert not list((tmp_path / "out").glob(".*"))


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Processes that a command's fork server has forked, which have its command line."""
    servers = [pid for pid, command in session_of(process).items() if "forkserver" in command]
    status = {pid: Path(f"/proc/{pid}/stat").read_text() for pid in servers}
    return [pid for pid in servers if int(status[pid].rpartition(")")[2].split()[1]) in servers]


def wait_for_shards(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len(shard_files(out)) < count:
        assert process.poll() is None
        time.sleep(0.02)


def test_forms_threshold_and_least_score_are_asked_for(batch: Cris, checkpoint: Path) -> None:
    assert batch("--save", "mask,cutout,overlay,polygons", "--threshold", "0.4").code == 0
    table = pd.read_parquet("out")  # the manifest beside it is passed over
    assert len(table) == 6
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    for row in table[table["error"].isna()].to_dict("records"):
        expected = segmenter.predict(Path("photos", row["name"]), row["sentence"]).at_threshold(0.4)
        pixels = {
            form: np.asarray(Image.open(io.BytesIO(row[form]))) for form in ("mask", "overlay", "cutout")
        }
        assert {each.shape[:2] for each in pixels.values()} == {(30, 40)}
        assert ((pixels["mask"] > 0) != expected.mask).mean() < 1e-2
        assert np.array_equal(pixels["cutout"][..., 3], pixels["mask"])
        assert len(row["polygons"]) == len(outlines_of(pixels["mask"] > 0))
    assert batch().is_short_error()  # it is another job
    assert batch("--min-score", "1", out="none").code == 0
    assert pd.read_parquet("none")["box"].isna().all()
    assert batch("--save", "yolo", out="x").is_short_error(2)
