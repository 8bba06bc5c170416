from pathlib import Path

import pytest

from cris.data.paths import check_relative, inside


@pytest.mark.parametrize("name", ["a.jpg", "train2014/a.jpg", "./a.jpg", "a..b/c...jpg", "ä ö/🐕.jpg"])
def test_names_within_the_folder_are_taken(name: str, tmp_path: Path) -> None:
    assert inside(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../a.jpg",
        "a/../../b.jpg",
        "..",
        r"..\a.jpg",
        r"C:\a.jpg",
        "c:a.jpg",
        r"\\host\a.jpg",
        "",
        "a\0b",
    ],
)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a path must"):
        check_relative(name)
    with pytest.raises(ValueError, match="a path must"):
        inside(tmp_path, name)


def test_a_symbolic_link_within_the_folder_is_taken_and_one_out_of_it_refused(tmp_path: Path) -> None:
    folder, other = tmp_path / "images", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "same.jpg").symlink_to(folder / "a.jpg")
    (folder / "out").symlink_to(other)
    assert inside(folder, "same.jpg").read_bytes() == b"a"
    with pytest.raises(ValueError, match="symbolic link out of"):
        inside(folder, "out/a.jpg")


def test_links_that_go_round_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match="can have no file"):
        inside(tmp_path, "a")


def test_the_folder_itself_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "named").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "named", "a.jpg") == tmp_path / "named" / "a.jpg"
