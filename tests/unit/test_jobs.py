import json
from pathlib import Path

import pytest

from cris.files import PARTIAL
from cris.jobs import (
    RECORD,
    Job,
    begin_experiment,
    check_resumable,
    is_unused,
    model_sha256,
    read_record,
    record_file,
    sha256_if_readable,
    to_json,
    write_record,
    written_together,
)

ONE, OTHER = Job("eval", {"data": "a"}), Job("eval", {"data": "b"})


def write(out: Path, job: Job, **files: str) -> None:
    with written_together(out) as folder:
        for name, content in files.items():
            (folder / name).write_text(content)
        write_record(folder, job.record(sorted(files)))


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != RECORD}


def test_fingerprint_depends_on_everything_but_the_order() -> None:
    assert Job("x", {"a": 1, "b": ["x"]}).fingerprint == Job("x", {"b": ["x"], "a": 1}).fingerprint
    jobs = [
        Job("x", {"a": 1}),
        Job("x", {"a": 2}),
        Job("x", {"a": "1"}),
        Job("x", {"b": 1}),
        Job("y", {"a": 1}),
    ]
    assert len({job.fingerprint for job in jobs}) == len(jobs)


def test_a_difference_is_told_in_words() -> None:
    job = Job("eval", {"version": [1], "model": "m", "data": "d"})
    assert job.difference(job.identity) == ""
    assert job.difference(job.identity | {"model": "n"}) == "model"
    assert job.difference({"job": "eval", "model": "m"}) == "version of cris and data set, split or limit"


def test_a_record_says_of_which_job_it_is() -> None:
    record = ONE.record(["a.svg"], count=3)
    assert record == {
        "schema_version": 1,
        "job": "eval",
        "fingerprint": ONE.fingerprint,
        "files": ["a.svg"],
        "count": 3,
    }


def test_replaced_job_takes_its_files_along_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, ONE, a="A", b="B")
    (tmp_path / "mine").write_text("keep")
    write(tmp_path, OTHER, b="new")
    assert contents(tmp_path) == {"b": "new", "mine": "keep"}


def test_job_without_a_record_removes_nothing(tmp_path: Path) -> None:
    write(tmp_path, ONE, a="A")
    with written_together(tmp_path) as folder:
        (folder / "page").write_text("P")
    assert contents(tmp_path) == {"a": "A", "page": "P"}


@pytest.mark.parametrize(
    "named", [["../outside"], ["/outside"], ["sub/outside"], [7, None], "outside", None, ["\0"]]
)
def test_record_from_elsewhere_removes_nothing_outside(named: object, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for folder in (tmp_path, out / "sub"):
        (folder / "outside").write_text("keep")
    (out / RECORD).write_text(json.dumps({"fingerprint": ONE.fingerprint, "files": named}))
    write(out, OTHER, b="B")
    assert (tmp_path / "outside").exists()
    assert (out / "sub" / "outside").exists()


def test_same_job_may_run_again_and_another_may_not(tmp_path: Path) -> None:
    write(tmp_path, ONE, a="A")
    ONE.check_free(tmp_path, ["a"], overwrite=False)
    OTHER.check_free(tmp_path, ["a"], overwrite=True)
    with pytest.raises(ValueError, match=r"results of another job.*--overwrite"):
        OTHER.check_free(tmp_path, ["b"], overwrite=False)


@pytest.mark.parametrize("record", ["", "[]", "{", '{"fingerprint": 1}'])
def test_damaged_record_counts_as_another_job(record: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(ValueError, match="another job"):
        ONE.check_free(tmp_path, overwrite=False)


def test_files_of_others_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("mine")
    ONE.check_free(tmp_path, ["b.png"], overwrite=False)
    with pytest.raises(ValueError, match=r"a\.png is there already"):
        ONE.check_free(tmp_path, ["a.png"], overwrite=False)


def test_file_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        ONE.check_free(tmp_path / "out", overwrite=True)


def test_json_is_ascii_and_exact() -> None:
    content = {"sentence": "зелёный", "name": "\udcff", "score": 0.1}
    text = to_json(content)
    assert text.isascii()
    assert json.loads(text) == content
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


def test_a_default_folder_counts_up_past_what_is_another_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ONE.free_folder("out") == Path("out")
    write(Path("out"), ONE, a="A")
    assert ONE.free_folder("out") == Path("out")
    assert OTHER.free_folder("out") == Path("out-2")
    Path("out-2").write_text("a file")
    Path("out-3").mkdir()
    assert OTHER.free_folder("out") == Path("out-3")
    (Path("out-3") / "mine").touch()
    assert OTHER.free_folder("out") == Path("out-4")


def test_beside_parquet_the_record_has_a_name_that_readers_pass_over(tmp_path: Path) -> None:
    write(tmp_path, ONE, **{"a.svg": ""})
    assert record_file(tmp_path) == tmp_path / "results.json"
    write(tmp_path, ONE, **{"rows.parquet": ""})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_results.json", "rows.parquet"]
    assert read_record(tmp_path)["files"] == ["rows.parquet"]
    ONE.check_free(tmp_path, ["rows.parquet"], overwrite=False)
    with pytest.raises(ValueError, match="holds the results of another job"):
        OTHER.check_free(tmp_path, overwrite=False)


def test_what_a_killed_job_left_half_written_does_not_count(tmp_path: Path) -> None:
    assert is_unused(tmp_path / "nowhere")
    assert is_unused(tmp_path)
    (tmp_path / f"{PARTIAL}x").mkdir()
    assert is_unused(tmp_path)
    (tmp_path / "mine").touch()
    assert not is_unused(tmp_path)
    assert not is_unused(tmp_path / "mine")


def test_an_experiment_goes_on_only_when_told_to(tmp_path: Path) -> None:
    check_resumable(tmp_path, is_resumed=False)
    (tmp_path / "run").mkdir()
    check_resumable(tmp_path, is_resumed=True)
    with pytest.raises(ValueError, match="is not empty: pass --resume"):
        check_resumable(tmp_path, is_resumed=False)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file"):
        check_resumable(tmp_path / "file", is_resumed=True)


def test_a_model_is_known_by_the_files_that_answers_depend_on(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "README.md", "train_state.pt", ".lock"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    names = ("config.json", "model.safetensors")
    assert model_sha256(tmp_path) == [[name, sha256_if_readable(tmp_path / name)] for name in names]


def test_what_cannot_be_read_has_no_sha256(tmp_path: Path) -> None:
    assert sha256_if_readable(tmp_path) is None
    assert sha256_if_readable(tmp_path / "nowhere") is None


def test_an_experiment_begun_anew_loses_its_own_parts_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "table.md").touch()
    begin_experiment(tmp_path, ["run", "table.md"], is_resumed=True, overwrite=False)
    assert (tmp_path / "run").exists()
    begin_experiment(tmp_path, ["run", "table.md"], is_resumed=False, overwrite=True)
    assert not [*tmp_path.iterdir()]
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="is not empty"):
        begin_experiment(tmp_path, ["run"], is_resumed=False, overwrite=True)
    assert (tmp_path / "notes.txt").exists()
