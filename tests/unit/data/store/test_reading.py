import json
import pickle
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from cris.data.store.reading import StoredDataset
from cris.data.store.schema import SCHEMA
from cris.data.store.shards import open_shard, read_row
from cris.errors import DamagedImageError
from tests.fixtures.stored import record, records, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight images in three shards."""
    monkeypatch.setattr("cris.data.store.writing.SHARD_IMAGES", 3)
    write(tmp_path / "data", records(8))
    return tmp_path / "data"


def test_images_are_read_at_random(folder: Path) -> None:
    dataset = StoredDataset(folder)
    assert len(dataset) == 8
    for index in (7, 0, 3, 2, 5):
        assert dataset.image(index) == record(index, "val" if index % 4 == 3 else "train")


def test_a_damaged_image_is_named_here_and_by_other_processes(tmp_path: Path) -> None:
    write(tmp_path / "data", [replace(record(0), image=b"none")])
    dataset = StoredDataset(tmp_path / "data")
    with pytest.raises(DamagedImageError, match=r"street-0\.png: the bytes: .*; cris data check") as raised:
        dataset.decode(dataset.row(0))
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (copy.image, str(copy)) == (raised.value.image, str(raised.value))


@pytest.mark.parametrize("index", [-1, 8])
def test_places_outside_are_refused(index: int, folder: Path) -> None:
    with pytest.raises(IndexError, match="within 8 images"):
        StoredDataset(folder).image(index)


@pytest.mark.parametrize("split", [None, "train", "val"])
def test_samples_are_those_that_going_through_all_rows_gives(split: str | None, folder: Path) -> None:
    dataset = StoredDataset(folder)
    naive = [
        (place, number, sentence)
        for place, image in enumerate(dataset)
        for number, entry in enumerate(image.entries)
        if split in (None, entry.split)
        for sentence in range(len(entry.sentences))
    ]
    samples = dataset.samples(split)
    assert list(samples) == naive
    assert len(samples) == len(naive) == {None: 32, "train": 24, "val": 8}[split]
    assert samples.image.dtype == samples.entry.dtype == samples.sentence.dtype == np.int32


def test_a_split_that_is_not_there_is_named_with_those_that_are(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"split must be one of train, val in .*, got 'testA'"):
        StoredDataset(folder).samples("testA")


def test_opening_and_finding_samples_copies_no_image(tmp_path: Path) -> None:
    write(tmp_path / "data", records(100))
    before = pa.total_allocated_bytes()
    dataset = StoredDataset(tmp_path / "data")
    dataset.samples("train")
    taken = pa.total_allocated_bytes() - before
    assert taken < 0.05 * (tmp_path / "data" / "pictures-00000.arrow").stat().st_size


def test_it_can_be_sent_to_other_processes(folder: Path) -> None:
    dataset = StoredDataset(folder)
    dataset.image(0)
    assert pickle.loads(pickle.dumps(dataset)).image(6) == record(6)


def test_pandas_polars_and_duckdb_read_the_shards(folder: Path) -> None:
    shards = sorted(folder.glob("*.arrow"))
    expected = [
        (each.picture_id, each.file_name, each.image, each.entries[2].object_ids) for each in records(8)
    ]

    frame = pd.concat(pd.read_feather(shard) for shard in shards)
    rows = zip(frame["picture_id"], frame["file_name"], frame["image"], frame["entries"], strict=True)
    assert [(a, b, c, tuple(d[2]["object_ids"])) for a, b, c, d in rows] == expected
    assert frame["objects"].iloc[1][2]["category"] == "cat"

    polar = pl.concat(pl.read_ipc(shard) for shard in shards)
    rows = polar.select("picture_id", "file_name", "image", "entries").rows()
    assert [(a, b, c, tuple(d[2]["object_ids"])) for a, b, c, d in rows] == expected
    boxes = polar.explode("objects").select(pl.col("objects").struct.field("box"))
    assert boxes.rows()[2] == ([20.0, 25.0, 30.0, 20.0],)

    images = pyarrow.dataset.dataset([str(shard) for shard in shards], format="ipc")
    query = (
        "select split, count(*) from (select unnest(entries, recursive := true) from images) group by split"
    )
    connection = duckdb.connect()
    connection.register("images", images)
    assert dict(connection.sql(query).fetchall()) == {"train": 18, "val": 6}
    lengths = connection.sql("select picture_id, octet_length(image) from images order by 1").fetchall()
    assert lengths == [(each.picture_id, len(each.image)) for each in records(8)]


def test_another_schema_version_says_so(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"schema_version": 2, "cris_version": "9.9", "new_field": 1}))
    with pytest.raises(
        ValueError, match=r"schema version must be 1 .*got 2, written by cris 9.9: .* again: cris data test"
    ):
        StoredDataset(folder)


def test_a_folder_without_manifest_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no data set: it has no manifest.json"):
        StoredDataset(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"schema_version": 1}', '{"schema_version": 1, "source": 3}']
)
def test_a_damaged_manifest_is_one_line(content: str, folder: Path) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match=r"manifest.json is damaged"):
        StoredDataset(folder)


def test_a_shard_that_was_cut_or_taken_away_is_named(folder: Path) -> None:
    shard = folder / "pictures-00001.arrow"
    content = shard.read_bytes()
    shard.write_bytes(content[:-100])
    with pytest.raises(
        ValueError, match=r"pictures-00001.arrow must have [\d,]+ bytes, got [\d,]+: it is damaged"
    ):
        StoredDataset(folder).image(4)
    shard.unlink()
    assert StoredDataset(folder).image(0) == record(0), "other shards are read all the same"
    with pytest.raises(ValueError, match=r"pictures-00001.arrow is missing"):
        StoredDataset(folder).image(4)


def test_a_shard_of_another_kind_is_named(folder: Path) -> None:
    shard = folder / "pictures-00001.arrow"
    size = shard.stat().st_size
    shard.write_bytes(bytes(size))
    with pytest.raises(ValueError, match=r"pictures-00001.arrow is damaged"):
        StoredDataset(folder).image(4)
    shard.unlink()
    with pa.ipc.new_file(shard, pa.schema([("a", pa.int64())])) as writer:
        writer.write_batch(pa.record_batch({"a": [1]}))
    with pytest.raises(ValueError, match="has other columns than the schema"):
        open_shard(shard)


def test_shards_made_before_a_column_was_added_are_read_with_none_in_it(folder: Path) -> None:
    shard = folder / "pictures-00001.arrow"
    batch = open_shard(shard).drop_columns(["annotated"])
    shard.unlink()  # what is mapped may not be written over
    with pa.ipc.new_file(shard, batch.schema) as writer:
        writer.write_batch(batch)
    assert open_shard(shard).schema.equals(SCHEMA)
    assert read_row(open_shard(shard), 1) == record(4)
    shard.unlink()
    with pa.ipc.new_file(shard, batch.schema.remove(0)) as writer:
        writer.write_batch(batch.drop_columns(["picture_id"]))
    with pytest.raises(ValueError, match="has other columns than the schema"):
        open_shard(shard)


def test_a_manifest_whose_files_lead_out_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("pictures-00001.arrow", "../pictures-00001.arrow"))
    with pytest.raises(ValueError, match="leads out of its folder"):
        StoredDataset(folder).image(4)


def test_the_page_on_the_format_names_every_column() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "data-format.md").read_text(encoding="utf-8")
    parts = {name: SCHEMA.field(name).type.value_type for name in ("objects", "entries")}
    names = [*SCHEMA.names, *(f"{part}.{field.name}" for part, struct in parts.items() for field in struct)]
    missing = [name for name in names if f"`{name}`" not in page]
    assert not missing
