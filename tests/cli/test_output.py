import json
from pathlib import Path

import pytest

from cris.cli.output import (
    RECORD,
    check_free,
    fingerprint,
    free_folder,
    new_record,
    read_record,
    record_file,
    to_json,
    write_record,
    written_together,
)


def write(out: Path, job: str, **files: str) -> None:
    with written_together(out) as folder:
        for name, content in files.items():
            (folder / name).write_text(content)
        (folder / RECORD).write_text(to_json({"fingerprint": job, "files": sorted(files)}))


def write_half(out: Path, error: BaseException) -> None:
    with written_together(out) as folder:
        (folder / "a").write_text("half")
        raise error


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != RECORD}


def test_fingerprint_depends_on_everything_but_the_order() -> None:
    assert fingerprint(a=1, b=["x"]) == fingerprint(b=["x"], a=1)
    assert len({fingerprint(a=1), fingerprint(a=2), fingerprint(a="1"), fingerprint(b=1)}) == 4


def test_folders_are_made_and_files_arrive_together(tmp_path: Path) -> None:
    out = tmp_path / "some" / "where"
    write(out, "1", a="A", b="B")
    assert contents(out) == {"a": "A", "b": "B"}


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "some" / "where"
    with pytest.raises(OSError, match="full"):
        write_half(out, OSError("full"))
    assert list(tmp_path.iterdir()) == []


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    write(tmp_path, "1", a="A")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path, KeyboardInterrupt())
    assert contents(tmp_path) == {"a": "A"}


def test_replaced_job_takes_its_files_along_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "1", a="A", b="B")
    (tmp_path / "mine").write_text("keep")
    write(tmp_path, "2", b="new")
    assert contents(tmp_path) == {"b": "new", "mine": "keep"}


def test_job_without_a_record_removes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "1", a="A")
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
    (out / RECORD).write_text(json.dumps({"fingerprint": "1", "files": named}))
    write(out, "2", b="B")
    assert (tmp_path / "outside").exists()
    assert (out / "sub" / "outside").exists()


def test_same_job_may_run_again_and_another_may_not(tmp_path: Path) -> None:
    write(tmp_path, "1", a="A")
    check_free(tmp_path, ["a"], "1", overwrite=False)
    check_free(tmp_path, ["a"], "2", overwrite=True)
    with pytest.raises(ValueError, match=r"results of another job.*--overwrite"):
        check_free(tmp_path, ["b"], "2", overwrite=False)


@pytest.mark.parametrize("record", ["", "[]", "{", '{"fingerprint": 1}'])
def test_damaged_record_counts_as_another_job(record: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(record)
    with pytest.raises(ValueError, match="another job"):
        check_free(tmp_path, [], "1", overwrite=False)


def test_files_of_others_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("mine")
    check_free(tmp_path, ["b.png"], "1", overwrite=False)
    with pytest.raises(ValueError, match=r"a\.png is there already"):
        check_free(tmp_path, ["a.png"], "1", overwrite=False)


def test_file_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        check_free(tmp_path / "out", [], "1", overwrite=True)


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
    assert free_folder("out", "1") == Path("out")
    write(Path("out"), "1", a="A")
    assert free_folder("out", "1") == Path("out")
    assert free_folder("out", "2") == Path("out-2")
    Path("out-2").write_text("a file")
    Path("out-3").mkdir()
    assert free_folder("out", "2") == Path("out-3")
    (Path("out-3") / "mine").touch()
    assert free_folder("out", "2") == Path("out-4")


def test_beside_parquet_the_record_has_a_name_that_readers_pass_over(tmp_path: Path) -> None:
    def write_job(files: list[str]) -> None:
        with written_together(tmp_path) as folder:
            for name in files:
                (folder / name).touch()
            write_record(folder, new_record("eval", "1", files))

    write_job(["a.svg"])
    assert record_file(tmp_path) == tmp_path / "results.json"
    write_job(["rows.parquet"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_results.json", "rows.parquet"]
    assert read_record(tmp_path)["files"] == ["rows.parquet"]
    check_free(tmp_path, ["rows.parquet"], "1", overwrite=False)
    with pytest.raises(ValueError, match="holds the results of another job"):
        check_free(tmp_path, [], "2", overwrite=False)
