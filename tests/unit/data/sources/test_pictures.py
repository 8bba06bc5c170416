import stat
import zipfile
from pathlib import Path

import pytest

from cris.data.sources.pictures import Pictures


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture(params=["folder", "zip", "zip with a folder around"])
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Pictures:
    files = {"a.jpg": b"A", "sub/b.jpg": b"B"}
    if request.param == "folder":
        for name, content in files.items():
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "images" / name).write_bytes(content)
        return Pictures(tmp_path / "images")
    if request.param == "zip":
        return Pictures(make_zip(tmp_path / "images.zip", files))
    around = {f"train2014/{name}": content for name, content in files.items()} | {"__MACOSX/._a": b""}
    return Pictures(make_zip(tmp_path / "images.zip", around))


def test_pictures_are_read_by_name(pictures: Pictures) -> None:
    assert (pictures.read("a.jpg"), pictures.read("sub/b.jpg")) == (b"A", b"B")


def test_missing_pictures_are_listed_in_their_order(pictures: Pictures) -> None:
    assert pictures.missing(["z.jpg", "a.jpg", "b.jpg", "sub"]) == ["z.jpg", "b.jpg", "sub"]


def test_reading_what_is_missing_names_it(pictures: Pictures) -> None:
    with pytest.raises(ValueError, match=r"has no picture 'c.jpg'"):
        pictures.read("c.jpg")


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "a/../../b"])
def test_names_that_lead_out_are_refused(name: str, pictures: Pictures) -> None:
    with pytest.raises(ValueError, match="leads out"):
        pictures.read(name)
    with pytest.raises(ValueError, match="leads out"):
        pictures.missing([name])


def test_in_a_zip_the_whole_name_can_be_given(tmp_path: Path) -> None:
    pictures = Pictures(make_zip(tmp_path / "images.zip", {"val/a.jpg": b"A"}))
    assert pictures.read("val/a.jpg") == pictures.read("a.jpg") == b"A"


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "x/../../a.jpg"])
def test_a_zip_with_a_member_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out"):
        Pictures(make_zip(tmp_path / "images.zip", {"b.jpg": b"B", name: b"A"}))


def test_a_zip_with_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"'a.jpg' is a symbolic link"):
        Pictures(tmp_path / "images.zip")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "images.zip", {"a.jpg": b"some content"})
    path.write_bytes(path.read_bytes().replace(b"some content", b"soMe content"))
    with pytest.raises(ValueError, match=r"'a.jpg' cannot be unpacked"):
        Pictures(path).read("a.jpg")


def test_a_member_that_claims_to_be_huge_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cris.data.sources.pictures.LARGEST_PICTURE", 5)
    with pytest.raises(ValueError, match="at most 5 bytes, got 6"):
        Pictures(make_zip(tmp_path / "images.zip", {"a.jpg": b"sixsix"})).read("a.jpg")


def test_what_is_neither_folder_nor_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match="must be a folder or a zip"):
        Pictures(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="there is no folder or zip"):
        Pictures(tmp_path / "b.zip")
