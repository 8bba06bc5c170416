import stat
import unicodedata
import zipfile
from pathlib import Path

import pytest

from cris.data.sources.images import Images


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture(params=["folder", "zip", "zip with a folder around"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> Images:
    files = {"a.jpg": b"A", "sub/b.jpg": b"B"}
    if request.param == "folder":
        for name, content in files.items():
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "images" / name).write_bytes(content)
        return Images(tmp_path / "images")
    if request.param == "zip":
        return Images(make_zip(tmp_path / "images.zip", files))
    around = {f"train2014/{name}": content for name, content in files.items()} | {"__MACOSX/._a": b""}
    return Images(make_zip(tmp_path / "images.zip", around))


def test_images_are_read_by_name(images: Images) -> None:
    assert (images.read("a.jpg"), images.read("sub/b.jpg")) == (b"A", b"B")


def test_missing_images_are_listed_in_their_order(images: Images) -> None:
    assert images.missing(["z.jpg", "a.jpg", "b.jpg", "sub"]) == ["z.jpg", "b.jpg", "sub"]


def test_reading_what_is_missing_names_it(images: Images) -> None:
    with pytest.raises(ValueError, match=r"has no image 'c.jpg'"):
        images.read("c.jpg")


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "a/../../b"])
def test_names_that_lead_out_are_refused(name: str, images: Images) -> None:
    with pytest.raises(ValueError, match="leads out"):
        images.read(name)
    with pytest.raises(ValueError, match="leads out"):
        images.missing([name])


def test_in_a_zip_the_whole_name_can_be_given(tmp_path: Path) -> None:
    images = Images(make_zip(tmp_path / "images.zip", {"val/a.jpg": b"A"}))
    assert images.read("val/a.jpg") == images.read("a.jpg") == b"A"


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "x/../../a.jpg"])
def test_a_zip_with_a_member_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out"):
        Images(make_zip(tmp_path / "images.zip", {"b.jpg": b"B", name: b"A"}))


def test_a_zip_with_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"'a.jpg' is a symbolic link"):
        Images(tmp_path / "images.zip")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "images.zip", {"a.jpg": b"some content"})
    path.write_bytes(path.read_bytes().replace(b"some content", b"soMe content"))
    with pytest.raises(ValueError, match=r"'a.jpg' cannot be unpacked"):
        Images(path).read("a.jpg")


def test_a_member_that_claims_to_be_huge_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cris.data.sources.images.LARGEST_IMAGE", 5)
    with pytest.raises(ValueError, match="at most 5 bytes, got 6"):
        Images(make_zip(tmp_path / "images.zip", {"a.jpg": b"sixsix"})).read("a.jpg")


def test_what_is_neither_folder_nor_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match="must be a folder or a zip"):
        Images(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="there is no folder or zip"):
        Images(tmp_path / "b.zip")


ACCENTS = "Übung_é.jpg"


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_and_slashes_may_be_written_otherwise(form: str, is_zip: bool, tmp_path: Path) -> None:
    name, other = (unicodedata.normalize(each, ACCENTS) for each in (form, "NFD" if form == "NFC" else "NFC"))
    if is_zip:
        source = make_zip(tmp_path / "images.zip", {f"sub/{name}": b"A", "b.jpg": b"B"})
    else:
        source = tmp_path / "images"
        (source / "sub").mkdir(parents=True)
        (source / "sub" / name).write_bytes(b"A")
    images = Images(source)
    assert images.missing([f"sub/{other}", f"sub\\{other}", f"sub\\{name}", other]) == [other]
    assert images.read(f"sub\\{other}") == images.read(f"sub/{name}") == b"A"


def test_a_zip_of_windows_has_the_folder_around_left_out(tmp_path: Path) -> None:
    members = {"pics\\a.jpg": b"A", "pics\\sub\\b.jpg": b"B"}
    images = Images(make_zip(tmp_path / "images.zip", members))
    assert images.missing(["a.jpg", "sub/b.jpg", "pics/a.jpg", "b.jpg"]) == ["b.jpg"]
    assert images.read("sub/b.jpg") == b"B"


def test_what_is_no_image_does_not_hide_the_folder_around_all_images(tmp_path: Path) -> None:
    members = {"README.txt": b"", "train/a.jpg": b"A", "notes/b.json": b"", "__MACOSX/train/._a.jpg": b""}
    assert Images(make_zip(tmp_path / "images.zip", members)).read("a.jpg") == b"A"


def test_names_of_a_mac_are_utf8_though_the_zip_does_not_say_so(tmp_path: Path) -> None:
    raw = unicodedata.normalize("NFD", ACCENTS).encode()
    path = make_zip(tmp_path / "images.zip", {"x" * len(raw): b"A"})
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    assert Images(path).read(ACCENTS) == b"A"


def test_an_example_is_a_image_called_alike_if_there_is_one(images: Images) -> None:
    assert str(images.example("x/b.jpg")).endswith("sub/b.jpg")
    assert str(images.example("c.jpg")).endswith("a.jpg")


def test_a_folder_without_images_has_no_example(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert Images(tmp_path).example("a.jpg") is None
