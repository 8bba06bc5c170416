import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cris.files import (
    PARTIAL,
    atomic_file,
    atomic_files,
    atomic_folder,
    replace_folder,
    sha256_of,
    whole_folder,
)


class PowerCut(BaseException):
    """Ends a write as nothing that the package catches would."""


def contents(folder: Path) -> dict[str, str]:
    """Path in the folder → text of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@contextmanager
def renames_that_end_after(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    original, done = Path.rename, []

    def rename(path: Path, target: Path) -> Path:
        if len(done) == count:
            raise PowerCut
        done.append(target)
        return original(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        yield


def killed_within(call: str, path: Path) -> None:
    """Has a process die, as by SIGKILL, while it writes."""
    script = (
        f"import os, pathlib, sys\nfrom cris.files import *\n"
        f"with {call} as partial:\n"
        f"    (partial if '_file(' in {call!r} else partial / 'a').write_text('half')\n"
        f"    os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)])
    assert done.returncode == 9


# a file


@pytest.mark.parametrize("is_synced", [False, True])
@pytest.mark.parametrize("is_resumable", [False, True])
def test_a_file_appears_when_all_is_written(is_synced: bool, is_resumable: bool, tmp_path: Path) -> None:
    path = tmp_path / "маска.txt"
    for text in ("first", "second"):
        with atomic_file(path, is_synced=is_synced, is_resumable=is_resumable) as partial:
            partial.write_text(text)
            assert not path.exists() or path.read_text() == "first"
    assert contents(tmp_path) == {path.name: "second"}


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt(), PowerCut()])
@pytest.mark.parametrize("is_new", [False, True])
def test_an_exception_leaves_the_old_file_and_no_other(
    error: BaseException, is_new: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    before = {} if is_new else {"a": "old"}
    fill(tmp_path, **before)

    def write() -> None:
        with atomic_file(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert contents(tmp_path) == before


def test_a_disk_that_fills_up_when_it_is_synced_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, a="old")

    def fill_up(_: int) -> None:
        raise OSError("full")

    def write() -> None:
        with atomic_file(tmp_path / "a", is_synced=True) as partial:
            partial.write_text("new")

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(OSError, match="full"):
        write()
    assert contents(tmp_path) == {"a": "old"}


def test_two_who_write_the_same_file_do_not_meet(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a") as first:
        first.write_text("first")
        with atomic_file(tmp_path / "a") as second:
            second.write_text("second")
        assert contents(tmp_path) == {first.name: "first", "a": "second"}
    assert contents(tmp_path) == {"a": "first"}


def test_a_format_that_is_told_by_the_name_is_told_while_writing(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "sheet.jpg") as partial:
        assert partial.suffix == ".jpg"
        assert partial.name.startswith(".")
        partial.touch()


def test_what_a_resumable_write_leaves_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"

    def write(text: str, *, breaks: bool) -> None:
        with atomic_file(path, is_resumable=True) as partial:
            with partial.open("a") as file:
                file.write(text)
            if breaks:
                raise ConnectionError

    with pytest.raises(ConnectionError):
        write("one, ", breaks=True)
    assert contents(tmp_path) == {"weights.pt.part": "one, "}
    write("two", breaks=False)
    assert contents(tmp_path) == {"weights.pt": "one, two"}


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_and_a_folder_get_the_permissions_that_others_get(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "a") as partial:
            partial.touch()
        with atomic_folder(tmp_path / "folder"):
            pass
        with atomic_files(tmp_path / "files") as folder:
            (folder / "b").touch()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a": 0o640, "folder": 0o750, "files": 0o750, "b": 0o640}


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    fill(tmp_path, a="old")
    killed_within("atomic_file(pathlib.Path(sys.argv[1]))", tmp_path / "a")
    assert (tmp_path / "a").read_text() == "old"
    with atomic_file(tmp_path / "a") as partial:
        partial.write_text("new")
    assert (tmp_path / "a").read_text() == "new"


# a folder


@pytest.mark.parametrize("is_synced", [False, True])
def test_a_folder_takes_the_place_of_another(is_synced: bool, tmp_path: Path) -> None:
    path = tmp_path / "some" / "where"
    for name in ("first", "second"):
        with atomic_folder(path, is_synced=is_synced) as partial:
            fill(partial, **{name: name})
            assert name not in {each.name for each in path.glob("*")}
        assert contents(tmp_path) == {f"some/where/{name}": name}


@pytest.mark.parametrize("renames", [0, 1])
def test_a_swap_that_stops_halfway_leaves_one_of_the_two(
    renames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    fill(path, a="old")

    def write(text: str) -> None:
        with atomic_folder(path) as partial:
            fill(partial, a=text)

    with renames_that_end_after(renames, monkeypatch), pytest.raises(PowerCut):
        write("new")
    assert contents(whole_folder(path)) == {"a": "old"}
    assert contents(whole_folder(str(path))) == {"a": "old"}
    write("newer")
    assert contents(tmp_path) == {"model/a": "newer"}


def test_an_exception_leaves_the_old_folder_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "model"
    fill(path, a="old")

    def write() -> None:
        with atomic_folder(path) as partial:
            fill(partial, a="half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    assert contents(tmp_path) == {"model/a": "old"}


def test_what_a_killed_process_left_of_a_folder_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "model"
    fill(path, a="old")
    killed_within("atomic_folder(pathlib.Path(sys.argv[1]))", path)
    assert contents(whole_folder(path)) == {"a": "old"}
    with atomic_folder(path) as partial:
        assert not contents(partial)
        fill(partial, a="new")
    assert contents(tmp_path) == {"model/a": "new"}


def test_a_folder_that_gathered_elsewhere_is_put_in_place(tmp_path: Path) -> None:
    fill(tmp_path / "gathered", a="new")
    fill(tmp_path / "out", a="old", b="old")
    replace_folder(tmp_path / "gathered", tmp_path / "out")
    assert contents(tmp_path) == {"out/a": "new"}


# files that belong together, in a folder that may hold others


def write_together(folder: Path, error: BaseException | None = None, **files: str) -> None:
    with atomic_files(folder) as partial:
        fill(partial, **files)
        if error:
            raise error


def test_folders_are_made_and_files_arrive_together(tmp_path: Path) -> None:
    out = tmp_path / "some" / "where"
    write_together(out, a="A", b="B")
    assert contents(tmp_path) == {"some/where/a": "A", "some/where/b": "B"}


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"):
        write_together(tmp_path / "some" / "where", OSError("full"), a="half")
    assert list(tmp_path.iterdir()) == []


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    fill(tmp_path, a="A")
    with pytest.raises(KeyboardInterrupt):
        write_together(tmp_path, KeyboardInterrupt(), a="half")
    assert contents(tmp_path) == {"a": "A"}


def test_other_files_stay(tmp_path: Path) -> None:
    fill(tmp_path, a="A", mine="keep")
    write_together(tmp_path, a="new")
    assert contents(tmp_path) == {"a": "new", "mine": "keep"}


def test_a_folder_replaces_a_folder_and_a_file_none(tmp_path: Path) -> None:
    fill(tmp_path / "layers", old="old")
    with atomic_files(tmp_path) as partial:
        fill(partial / "layers", new="new")
    assert contents(tmp_path) == {"layers/new": "new"}
    with pytest.raises(OSError, match="layers"):
        write_together(tmp_path, layers="a file")
    assert contents(tmp_path) == {"layers/new": "new"}


def test_what_tells_that_all_is_there_moves_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, moved = Path.replace, []

    def replace(path: Path, target: Path) -> Path:
        moved.append(path.name)
        return original(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with atomic_files(tmp_path, last=["a", "not there"]) as partial:
        fill(partial, a="", b="", c="")
    assert moved == ["b", "c", "a"]


def test_what_a_killed_process_left_of_files_is_known_by_its_name(tmp_path: Path) -> None:
    fill(tmp_path, a="old")
    killed_within("atomic_files(pathlib.Path(sys.argv[1]))", tmp_path)
    (left,) = [path for path in tmp_path.iterdir() if path.name != "a"]
    assert left.name.startswith(PARTIAL)
    write_together(tmp_path, a="new")
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("content", [b"", b"cris", bytes(range(256)) * 4097])
def test_the_sha256_is_of_the_content(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_a_folder_that_is_not_there_is_named_rather_than_an_unfinished_file(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.png"
    with pytest.raises(FileNotFoundError, match="there is no such folder") as told, atomic_file(path) as file:
        file.write_text("a")
    assert told.value.filename == str(path.parent)
