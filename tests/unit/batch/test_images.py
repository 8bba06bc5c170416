import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cris.batch.images import find_images
from cris.batch.reading import is_within_reach, read_images
from tests.fixtures.bulk import write_parquet, write_tar

IMAGES = [(f"{number}.png", f"content {number}".encode(), "the red ring") for number in range(20)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files, a subfolder, two shards, and what is none of these."""
    source = tmp_path / "in"
    (source / "b").mkdir(parents=True)
    for name in ("z.jpg", "b/a.PNG", "notes.txt", ".hidden.jpg"):
        (source / name).write_bytes(name.encode())
    (source / ".cache").mkdir()
    (source / ".cache" / "a.jpg").touch()
    write_parquet(source / "one.parquet", IMAGES)
    write_tar(source / "two.tar", IMAGES[:2])
    return source


def test_a_folder_means_its_images_and_shards_in_order(folder):
    found = find_images(str(folder))
    assert [each.id for each in found] == [
        "b/a.PNG",
        *(f"one.parquet#{row}" for row in range(20)),
        "two.tar#0.png",
        "two.tar#1.png",
        "z.jpg",
    ]
    assert [each.name for each in found][:3] == ["b/a.PNG", "0.png", "1.png"]


def test_images_of_kinds_that_are_not_read_are_named(folder):
    (folder / "c.jxl").touch()
    (folder / "d.dng").touch()
    write_tar(folder / "two.tar", [*IMAGES[:2], ("e.psd", b"", "the red ring")])
    in_folder, in_tar = "left out 2 of a kind .* read: c.jxl, d.dng; convert them", r"two\.tar#e\.psd"
    with pytest.warns(UserWarning, match=in_folder), pytest.warns(UserWarning, match=in_tar):
        assert len(find_images(str(folder))) == 24


def test_every_image_is_read_from_where_it_is(folder):
    contents = list(read_images(find_images(str(folder))))
    assert contents == [
        b"b/a.PNG",
        *(content for _, content, _ in IMAGES),
        *(content for _, content, _ in IMAGES[:2]),
        b"z.jpg",
    ]


def test_some_rows_of_a_shard_are_read_without_the_others(folder):
    found = find_images(str(folder / "one.parquet"))
    assert list(read_images([found[3], found[19]])) == [b"content 3", b"content 19"]


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [("*.jpg", ["z.jpg"]), ("**/*.PNG", ["b/a.PNG"]), ("b/*", ["a.PNG"]), ("z.jpg", ["z.jpg"])],
)
def test_patterns_and_single_files(pattern, ids, folder):
    assert [each.id for each in find_images(str(folder / pattern))] == ids


@pytest.mark.parametrize("name", ["datasets", "bytes only"])
def test_parquet_of_others_is_read(name, tmp_path):
    path = tmp_path / "a.parquet"
    images = [{"bytes": b"1", "path": "x.jpg"}, {"bytes": b"2", "path": None}, None]
    if name == "bytes only":
        images = [each and each["bytes"] for each in images]
    pq.write_table(pa.table({"label": [0, 1, 2], "image": images}), path)
    found = find_images(str(tmp_path))
    expected = ["x.jpg", "a.parquet#1", "a.parquet#2"]
    assert [each.name for each in found] == (
        expected if name == "datasets" else [f"a.parquet#{row}" for row in range(3)]
    )
    assert list(read_images(found)) == [b"1", b"2", "the row holds no image's bytes"]


def test_what_became_of_files_is_told_for_each(folder):
    found = find_images(str(folder / "**" / "*.*"))
    (folder / "z.jpg").unlink()
    contents = list(read_images(found))
    assert contents[-1] == "the file is gone"
    assert contents[0] == b"b/a.PNG"


def test_a_changed_file_has_another_version(folder):
    before = {each.id: each.version for each in find_images(str(folder))}
    (folder / "z.jpg").write_bytes(b"longer than it was")
    after = {each.id: each.version for each in find_images(str(folder))}
    assert {id for id in before if before[id] != after[id]} == {"z.jpg"}


def test_links_out_of_the_folder_are_left_out(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").touch()
    (folder / "link.jpg").symlink_to(outside / "secret.jpg")
    (folder / "deeper").symlink_to(outside)
    (folder / "inside.jpg").symlink_to(folder / "z.jpg")
    with pytest.warns(UserWarning, match="leads out of its folder"):
        names = [each.id for each in find_images(str(folder))]
    assert "inside.jpg" in names
    assert not [name for name in names if "secret" in name or name == "link.jpg"]


def test_names_that_are_no_utf8_are_told_in_ascii(tmp_path):
    (tmp_path / "a\udcff.jpg").write_bytes(b"x")
    (found,) = find_images(str(tmp_path))
    assert found.id == r"a\xff.jpg"
    assert list(read_images([found])) == [b"x"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"", "found none"),
        ("a.parquet", b"no parquet", "a.parquet is no Parquet file"),
        ("a.tar", b"no tar" * 200, "a.tar is no plain tar"),
    ],
)
def test_sources_without_images_are_refused(name, content, told, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=told):
        find_images(str(tmp_path))


@pytest.mark.parametrize("source", ["nowhere", "nowhere/*.jpg", "ftq://there/it", "gs://bucket/photos"])
def test_sources_that_cannot_be_opened_are_refused(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"found n|cannot be opened"):
        find_images(source)


def test_parquet_without_images_names_its_columns(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "image": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="its columns are text, image"):
        find_images(str(tmp_path))


def test_members_that_are_no_files_are_left_out(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        whole = tarfile.TarInfo("../b.png")
        whole.size = 3
        tar.addfile(whole, io.BytesIO(b"abc"))
    (found,) = find_images(str(tmp_path))
    assert found.id == "a.tar#../b.png"  # a name, never a path
    assert list(read_images([found])) == [b"abc"]


def test_a_machine_without_the_folder_does_not_reach_it(folder):
    found = find_images(str(folder))
    assert is_within_reach(found)
    folder.rename(folder.with_name("elsewhere"))
    assert not is_within_reach(found)


def test_a_local_name_may_have_double_colons(tmp_path):
    folder = tmp_path / "12::30"
    folder.mkdir()
    (folder / "a::b.png").write_bytes(b"x")
    (found,) = find_images(str(folder))
    assert found.id == "a::b.png"
    assert list(read_images([found])) == [b"x"]
    assert find_images(str(folder / "a::b.png"))[0].id == "a::b.png"
    assert find_images(str(folder / "a::*.png"))[0].id == "a::b.png"
