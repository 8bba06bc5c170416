import json
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import webdataset

from cris.data.store.export import export
from cris.data.store.reading import StoredDataset
from cris.data.store.schema import SCHEMA, from_row
from tests.stored import encoded, record, records, with_entry, write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def dataset_of(folder: Path, pictures: list) -> StoredDataset:
    write(folder / "data", pictures)
    return StoredDataset(folder / "data")


def test_parquet_holds_the_same_rows(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cris.data.store.writing.SHARD_PICTURES", 3)
    assert list(export(dataset_of(tmp_path, records(8)), out, "parquet")) == list(range(8))
    files = sorted(out.iterdir())
    assert [path.name for path in files] == [f"pictures-0000{number}-of-00003.parquet" for number in range(3)]
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    assert [from_row(row) for row in rows] == records(8)
    assert pq.read_schema(files[0]).equals(SCHEMA)
    assert pl.read_parquet(out / "*.parquet")["picture_id"].to_list() == list(range(8))


def test_webdataset_reads_the_tars_of_each_split(tmp_path: Path, out: Path) -> None:
    jpeg = replace(record(9), image=encoded(9, "JPEG"))
    assert list(export(dataset_of(tmp_path, [*records(4), jpeg]), out, "webdataset")) == list(range(5))
    assert sorted(path.name for path in out.iterdir()) == ["train-00000.tar", "val-00000.tar"]
    samples = list(webdataset.WebDataset(str(out / "train-00000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [
        "000000000000",
        "000000000001",
        "000000000002",
        "000000000009",
    ]
    assert [sample.get("png", sample.get("jpg")) for sample in samples] == [
        *(each.image for each in records(3)),
        jpeg.image,
    ]
    known = json.loads(samples[0]["json"])
    expected = json.loads(
        json.dumps({key: value for key, value in asdict(record(0)).items() if key != "image"})
    )
    assert known == expected


def test_a_picture_of_two_splits_is_in_the_tars_of_both_with_the_entries_of_each(
    tmp_path: Path, out: Path
) -> None:
    list(export(dataset_of(tmp_path, [with_entry(record(0), split="val")]), out, "webdataset"))
    entries = {}
    for split in ("train", "val"):
        (sample,) = webdataset.WebDataset(str(out / f"{split}-00000.tar"), shardshuffle=False)
        entries[split] = [each["ref_id"] for each in json.loads(sample["json"])["entries"]]
    assert entries == {"train": [1, 2], "val": [0]}


def test_tars_end_when_they_are_full_and_are_the_same_every_time(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cris.data.store.export.TAR_BYTES", 20_000)
    dataset, again = dataset_of(tmp_path, records(8)), tmp_path / "again"
    again.mkdir()
    list(export(dataset, out, "webdataset"))
    list(export(dataset, again, "webdataset"))
    names = sorted(path.name for path in out.iterdir())
    assert len(names) > 2
    assert [(out / name).read_bytes() for name in names] == [(again / name).read_bytes() for name in names]
    urls = [str(path) for path in sorted(out.glob("train-*.tar"))]
    assert len(list(webdataset.WebDataset(urls, shardshuffle=False))) == 6


def test_a_split_that_can_name_no_file_is_refused(tmp_path: Path, out: Path) -> None:
    with pytest.raises(ValueError, match=r"a split must have letters and digits only"):
        list(export(dataset_of(tmp_path, [with_entry(record(0), split="../val")]), out, "webdataset"))
    assert not list(out.iterdir())


def test_what_is_no_picture_is_named(tmp_path: Path, out: Path) -> None:
    with pytest.raises(ValueError, match=r"street-0.png \(picture 0\): expected a picture"):
        list(export(dataset_of(tmp_path, [replace(record(0), image=b"text")]), out, "webdataset"))
