import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pytest

from cris.data.records import ImageRecord
from cris.data.store.manifest import SourceInfo, read_manifest
from cris.data.store.reading import StoredDataset
from cris.data.store.writing import write_dataset
from cris.masks import encode_rle
from tests.fixtures.stored import SOURCE, record, records, with_entry, with_object, write


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cris.data.store.writing.SHARD_IMAGES", 3)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "out", records(8))
    assert list(StoredDataset(tmp_path / "out")) == records(8)


def test_shards_end_with_the_image_that_fills_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [shard.rows for shard in write(tmp_path / "by count", records(8)).files] == [3, 3, 2]
    monkeypatch.setattr("cris.data.store.writing.SHARD_BYTES", len(record(0).image) + 1)
    assert [shard.rows for shard in write(tmp_path / "by bytes", records(4)).files] == [2, 2]


def test_the_manifest_counts_and_tells_where_it_comes_from(tmp_path: Path) -> None:
    source = SourceInfo(kind="test", options={"a": 1}, files={"refs.p": "0" * 64}, remarks=("all is well",))
    written = write(tmp_path / "out", records(8), source)
    manifest = read_manifest(tmp_path / "out")
    assert manifest == written
    assert (manifest.pictures, manifest.objects, manifest.command) == (8, 24, "cris data test")
    train, val = manifest.splits["train"], manifest.splits["val"]
    assert (train.pictures, train.entries, train.objects, train.sentences) == (6, 18, 12, 24)
    assert (val.pictures, val.entries, val.objects, val.sentences) == (2, 6, 4, 8)
    assert manifest.source == source


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one", records(8))
    write(tmp_path / "two", records(8))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def breaks_after(count: int) -> Iterator[ImageRecord]:
    yield from records(count)
    raise ValueError("image damaged")


def test_an_error_leaves_nothing_under_the_final_name_and_resuming_gives_the_same_bytes(
    tmp_path: Path,
) -> None:
    write(tmp_path / "undisturbed", records(8))
    out, asked = tmp_path / "out", []

    def images(start: int) -> list[ImageRecord]:
        asked.append(start)
        return records(8)[start:]

    with pytest.raises(ValueError, match="image damaged"):
        write_dataset(out, lambda start: breaks_after(7), SOURCE, command="cris data test")
    assert not out.exists()
    write_dataset(out, images, SOURCE, command="cris data test", is_resuming=True)
    assert asked == [6], "whole shards are not made again"
    assert contents(out) == contents(tmp_path / "undisturbed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "undisturbed"]


def test_an_unfinished_shard_is_written_anew(tmp_path: Path) -> None:
    write(tmp_path / "undisturbed", records(8))
    out, partial = tmp_path / "out", tmp_path / ".out.partial"
    with pytest.raises(ValueError, match="image damaged"):
        write_dataset(out, lambda start: breaks_after(4), SOURCE, command="cris data test")
    (partial / "pictures-00001.unfinished").write_bytes(b"half of it")
    write(out, records(8), is_resuming=True)
    assert contents(out) == contents(tmp_path / "undisturbed")


def test_an_error_before_the_first_shard_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image damaged"):
        write_dataset(tmp_path / "out", lambda start: breaks_after(2), SOURCE, command="cris data test")
    assert not list(tmp_path.iterdir())


def test_what_was_begun_is_neither_dropped_nor_mixed_unasked(tmp_path: Path) -> None:
    out, other = tmp_path / "out", replace(SOURCE, options={"count": 5})
    with pytest.raises(ValueError, match="image damaged"):
        write_dataset(out, lambda start: breaks_after(7), SOURCE, command="cris data test")
    with pytest.raises(ValueError, match=r"was begun: pass --resume to go on, or --overwrite"):
        write(out, records(8))
    with pytest.raises(ValueError, match=r"was begun from another source: pass --overwrite"):
        write(out, records(8), other, is_resuming=True)
    write(out, records(5), other, overwrite=True)
    assert list(StoredDataset(out)) == records(5)


def test_a_data_set_is_replaced_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, records(4))
    before = contents(out)
    with pytest.raises(ValueError, match="holds a data set: choose another --out, or pass --overwrite"):
        write(out, records(8))
    with pytest.raises(ValueError, match="holds a data set"):
        write(out, records(8), replace(SOURCE, kind="other"), is_resuming=True)
    assert contents(out) == before
    write(out, records(8), overwrite=True)
    assert len(StoredDataset(out)) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_error_while_replacing_keeps_the_old_data_set(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, records(4))
    before = contents(out)
    with pytest.raises(ValueError, match="image damaged"):
        write_dataset(out, lambda start: breaks_after(7), SOURCE, command="cris data test", overwrite=True)
    assert contents(out) == before


def test_resuming_what_has_ended_does_nothing(tmp_path: Path) -> None:
    manifest = write(tmp_path / "out", records(4))

    def none(start: int) -> list[ImageRecord]:
        raise AssertionError("the source must not be read")

    assert write_dataset(tmp_path / "out", none, SOURCE, command="x", is_resuming=True) == manifest


def test_other_things_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("text")
    with pytest.raises(ValueError, match="holds other things than a data set"):
        write(tmp_path / "out", records(4), overwrite=True)
    with pytest.raises(ValueError, match="must name a folder"):
        write(tmp_path / "file", records(4), overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_two_processes_do_not_write_the_same(tmp_path: Path) -> None:
    partial = tmp_path / ".out.partial"
    partial.mkdir()
    with filelock.FileLock(partial / ".lock"), pytest.raises(ValueError, match="another process is writing"):
        write(tmp_path / "out", records(4))


def test_a_full_disk_is_told_and_resuming_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "undisturbed", records(8))
    calls, fsync = [], os.fsync

    def fill_up(number: int) -> None:
        calls.append(number)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", fill_up)
    with pytest.raises(ValueError, match=r"the disk is full at .* run the same with --resume"):
        write(tmp_path / "out", records(8))
    assert not (tmp_path / "out").exists()
    write(tmp_path / "out", records(8), is_resuming=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


WRONG = {
    "object 72: box and area must be finite": with_object(record(7), box=(0.0, float("nan"), 1.0, 1.0)),
    "object 72: box and area must be finite, got .* and inf": with_object(record(7), area=float("inf")),
    r"object 72: rle must have the image's size \[48, 64\], got \[64, 48\]": with_object(
        record(7), rle=encode_rle(np.ones((64, 48), dtype=bool))
    ),
    "object id 70 is there twice": with_object(record(7), id=70),
    "entry 70: object ids must be of the image's objects, got 99": with_entry(record(7), object_ids=(99,)),
    "entry 70: there must be sentences": with_entry(record(7), sentences=()),
    "entry 70: there must be sentences, and none empty": with_entry(record(7), sentences=("a dog", " ")),
    "entry 70: the split must have a name": with_entry(record(7), split=""),
    "ref id 71 is there twice": with_entry(record(7), ref_id=71),
    "image id 0 is there twice": replace(record(7), picture_id=0),
}


@pytest.mark.parametrize("message", WRONG)
def test_records_that_are_not_valid_are_refused_by_name(message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"image \d+ \(street-7.png\): {message}"):
        write(tmp_path / "out", [record(0), WRONG[message]])


def test_ids_of_shards_that_are_there_already_are_known_when_resuming(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image damaged"):
        write_dataset(tmp_path / "out", lambda start: breaks_after(4), SOURCE, command="cris data test")
    with pytest.raises(ValueError, match="image id 0 is there twice"):
        write(tmp_path / "out", [*records(3), replace(record(7), picture_id=0)], is_resuming=True)


def test_a_source_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no image"):
        write(tmp_path / "out", [])
    assert not list(tmp_path.iterdir())


def test_the_manifest_is_plain_json(tmp_path: Path) -> None:
    write(tmp_path / "out", records(4))
    content = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert content["schema_version"] == 1
    assert set(content["files"][0]) == {"name", "rows", "bytes", "sha256"}
