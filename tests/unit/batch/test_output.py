import errno
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cris.batch.images import ImageRef
from cris.batch.job import BulkJob, Shard, Task
from cris.batch.output import MANIFEST, Output, alone_in
from cris.errors import InputError
from tests.fixtures.bulk import shard_files

SOURCE = "elsewhere"


def job(fingerprint: str = "a") -> BulkJob:
    def task(number: int) -> Task:
        ref = ImageRef(id=str(number), name=str(number), url=str(number), version="")
        return Task(image=ref, sentences=("the red ring",))

    shards = tuple(
        Shard(number=number, tasks=(task(2 * number), task(2 * number + 1))) for number in range(3)
    )
    return BulkJob(source=SOURCE, shards=shards, fingerprint=fingerprint)


def content(error: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"error": pa.array([error, None], pa.string())}), sink)
    return sink.getvalue().to_pybytes()


def finish(output: Output) -> dict:
    for number in {0, 1, 2} - output.finished:
        output.add(number, content("bad" if number == 1 else None))
    return output.complete()


def manifest(out: Path) -> dict:
    return json.loads((out / MANIFEST).read_text())


def test_the_manifest_says_of_which_job_and_whether_it_is_complete(tmp_path):
    out = tmp_path / "deep" / "out"
    output = Output(str(out), job(), {"model": "tiny"})
    assert (manifest(out)["fingerprint"], manifest(out)["is_complete"]) == ("a", False)
    told = finish(output)
    assert told == manifest(out)
    assert (told["is_complete"], told["model"], told["rows"], told["errors"]) == (True, "tiny", 6, 1)
    assert [shard["name"] for shard in told["shards"]] == sorted(shard_files(out))
    assert [shard["errors"] for shard in told["shards"]] == [0, 1, 0]
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, *sorted(shard_files(out))]


def test_a_begun_job_goes_on_with_what_is_missing(tmp_path):
    Output(str(tmp_path / "out"), job(), {}).add(1, content())
    again = Output(str(tmp_path / "out"), job(), {}, is_resuming=True)
    assert again.finished == {1}
    assert finish(again)["is_complete"]
    assert Output(str(tmp_path / "out"), job(), {}, is_resuming=True).finished == {0, 1, 2}


@pytest.mark.parametrize(
    ("fingerprint", "is_resuming", "told"),
    [
        ("a", False, "this job was begun in"),
        ("b", False, "holds another job"),
        ("b", True, "holds another job"),
    ],
)
def test_what_is_there_is_kept(fingerprint, is_resuming, told, tmp_path):
    Output(str(tmp_path / "out"), job(), {}).add(1, content())
    before = shard_files(tmp_path / "out")
    with pytest.raises(ValueError, match=told):
        Output(str(tmp_path / "out"), job(fingerprint), {}, is_resuming=is_resuming)
    assert shard_files(tmp_path / "out") == before
    assert manifest(tmp_path / "out")["fingerprint"] == "a"


def test_a_finished_job_is_kept_too(tmp_path):
    finish(Output(str(tmp_path / "out"), job(), {}))
    with pytest.raises(ValueError, match="this job was finished in"):
        Output(str(tmp_path / "out"), job(), {})


def test_overwriting_leaves_no_shard_of_the_other_job(tmp_path):
    finish(Output(str(tmp_path / "out"), job(), {}))
    (tmp_path / "out" / "notes.txt").touch()
    output = Output(str(tmp_path / "out"), job("b"), {}, overwrite=True)
    assert output.finished == set()
    assert manifest(tmp_path / "out")["fingerprint"] == "b"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [MANIFEST, "notes.txt"]


def test_what_a_killed_run_left_half_written_goes_away(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / f".0a1b2c3d-{MANIFEST}").write_text("half")  # killed before all else
    Output(str(out), job(), {}).add(1, content())
    (out / ".0a1b2c3d-rows-00002-of-00003.parquet").write_text("half")
    assert finish(Output(str(out), job(), {}, is_resuming=True))["is_complete"]
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, *sorted(shard_files(out))]


@pytest.mark.parametrize("name", ["notes.txt", MANIFEST])
def test_a_folder_of_something_else_is_never_touched(name, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text('{"job": "another"}')
    with pytest.raises(ValueError, match="holds other things"):
        Output(str(tmp_path / "out"), job(), {}, overwrite=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(ValueError, match="must name a folder"):
        Output(str(tmp_path / "out"), job(), {})


@pytest.mark.parametrize("out", [SOURCE, f"{SOURCE}/out"])
def test_shards_never_become_images(out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="must not be inside IN"):
        Output(out, job(), {})


def test_a_full_disk_keeps_what_was_finished(tmp_path, monkeypatch):
    output = Output(str(tmp_path / "out"), job(), {})
    output.add(0, content())
    before = sorted((tmp_path / "out").iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ValueError, match=r"the disk is full at .*--resume"):
            output.add(1, content())
    assert sorted((tmp_path / "out").iterdir()) == before
    assert finish(Output(str(tmp_path / "out"), job(), {}, is_resuming=True))["is_complete"]


@pytest.mark.parametrize("damaged", [b"", b"PAR1", content()[:-20]])
def test_a_damaged_shard_is_named(damaged, tmp_path):
    output = Output(str(tmp_path / "out"), job(), {})
    output.add(0, damaged)
    with pytest.raises(ValueError, match=r"rows-00000-of-00003\.parquet is damaged"):
        finish(output)
    assert not manifest(tmp_path / "out")["is_complete"]


def test_two_jobs_do_not_write_to_one_folder(tmp_path):
    out = tmp_path / "out"
    with alone_in(str(out)):
        with pytest.raises(ValueError, match="another process is writing to"), alone_in(str(out)):
            pass
        finish(Output(str(out), job(), {}))  # the lock is no other thing in the folder
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, *sorted(shard_files(out))]


def test_a_job_that_is_refused_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="no"), alone_in(str(tmp_path / "out")):
        raise InputError("no")
    assert not (tmp_path / "out").exists()
