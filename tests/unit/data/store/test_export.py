import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import webdataset
from pycocotools.coco import COCO

from cris.data.records import ImageRecord
from cris.data.sources.coco import SplitConfig, convert_coco
from cris.data.sources.refer import convert_refer
from cris.data.store.export import export
from cris.data.store.reading import StoredDataset
from cris.data.store.schema import SCHEMA, from_row
from cris.errors import InputError
from cris.masks import decode_rle
from tests.fixtures.stored import encoded, record, records, with_entry, write


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def dataset_of(folder: Path, images: list) -> StoredDataset:
    write(folder / "data", images)
    return StoredDataset(folder / "data")


def test_parquet_holds_the_same_rows(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cris.data.store.writing.SHARD_IMAGES", 3)
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


def test_a_image_of_two_splits_is_in_the_tars_of_both_with_the_entries_of_each(
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


def test_what_is_no_image_is_named(tmp_path: Path, out: Path) -> None:
    with pytest.raises(ValueError, match=r"street-0.png \(image 0\): expected an image"):
        list(export(dataset_of(tmp_path, [replace(record(0), image=b"text")]), out, "webdataset"))


def test_coco_is_what_its_own_converter_takes(tmp_path: Path, out: Path) -> None:
    images = [with_entry(record(0), split="val"), record(1), replace(record(2), annotated=("dog",))]
    images[1] = replace(images[1], file_name=images[0].file_name)  # two of one name
    assert list(export(dataset_of(tmp_path, images), out, "coco")) == [0, 1, 2]
    names = [
        f"{kind}_{split}{suffix}"
        for kind, suffix in (("instances", ".json"), ("sentences", ".jsonl"))
        for split in ("train", "val")
    ]
    assert sorted(path.name for path in out.iterdir()) == ["images.zip", *names]
    coco = COCO(out / "instances_train.json")
    for each in images[2].objects:
        np.testing.assert_array_equal(coco.annToMask(coco.anns[each.id]), decode_rle(each.rle))
    conversion = convert_coco(
        out / "instances_train.json",
        out / "images.zip",
        sentences=out / "sentences_train.jsonl",
        split_config=SplitConfig(shares=(1.0, 0.0, 0.0)),
    )
    found = {each.picture_id: each for each in conversion.images(0)}
    assert found.keys() == {0, 1, 2}
    assert found[2].annotated == ("dog",)
    for image in images[1:]:
        again = found[image.picture_id]
        assert (again.image, again.objects) == (image.image, image.objects)
        assert said(again) == said(image)
    assert [sentence for _, sentence in said(found[0])] == ["a blue boat", "both dogs"]


def said(image: ImageRecord) -> list[tuple[tuple[int, ...], str]]:
    """What is meant by each sentence, in their order."""
    return [(entry.object_ids, each) for entry in image.entries for each in entry.sentences]


def test_refer_is_what_its_own_converter_takes(tmp_path: Path, out: Path) -> None:
    images = records(4)
    list(export(dataset_of(tmp_path, images), out, "refer"))
    assert {path.name for path in out.iterdir()} == {"refs(cris).p", "instances.json", "images.zip"}
    refs = pickle.loads((out / "refs(cris).p").read_bytes())
    assert [ref["ann_id"] for ref in refs[:3]] == [0, [-1], [0, 1]]
    conversion = convert_refer(out / "refs(cris).p", out / "instances.json", out / "images.zip")
    assert list(conversion.images(0)) == images


def test_datasets_get_files_by_split_with_images_that_they_decode(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cris.data.store.layouts.SHARD_ROWS", 2)
    images = [with_entry(record(0), split="val"), *records(4)[1:]]
    list(export(dataset_of(tmp_path, images), out, "datasets"))
    train = [f"train-0000{number}-of-00002.parquet" for number in range(2)]
    val = ["val-00000-of-00001.parquet"]
    assert sorted(path.name for path in out.iterdir()) == [".huggingface.yaml", *train, *val]
    (config,) = json.loads((out / ".huggingface.yaml").read_text())["configs"]
    assert config["data_files"] == [{"split": "train", "path": train}, {"split": "val", "path": val}]
    rows = pq.read_table(sorted(out.glob("train-*"))).to_pylist()
    assert [row["picture_id"] for row in rows] == [0, 1, 2]
    assert rows[0]["image"] == {"bytes": images[0].image, "path": "street-0.png"}
    assert [entry["ref_id"] for entry in rows[0]["entries"]] == [1, 2]
    assert [
        entry["ref_id"] for entry in pq.read_table(out / "val-00000-of-00001.parquet")["entries"][0].as_py()
    ] == [0]
    note = json.loads(pq.read_schema(next(out.glob("val-*"))).metadata[b"huggingface"])
    features = note["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["height"] == {"dtype": "int32", "_type": "Value"}
    assert features["objects"][0]["box"] == {
        "feature": {"dtype": "float64", "_type": "Value"},
        "length": 4,
        "_type": "Sequence",
    }


def test_splits_have_names_that_datasets_takes(tmp_path: Path, out: Path) -> None:
    images = [with_entry(record(n), split=split) for n, split in enumerate(("testA", "val-doubtful"))]
    list(export(dataset_of(tmp_path, images), out, "datasets"))
    (config,) = json.loads((out / ".huggingface.yaml").read_text())["configs"]
    assert {each["split"]: each["path"] for each in config["data_files"]} == {
        "testA": ["testA-00000-of-00001.parquet"],
        "train": ["train-00000-of-00001.parquet"],
        "val_doubtful": ["val-doubtful-00000-of-00001.parquet"],
    }
    (tmp_path / "alike").mkdir()
    alike = [with_entry(record(n), split=split) for n, split in enumerate(("val-x", "val_x"))]
    with pytest.raises(InputError, match="the splits val-x and val_x have the same name"):
        list(export(dataset_of(tmp_path / "alike", alike), out, "datasets"))


@pytest.mark.parametrize("format", ["parquet", "datasets"])
def test_a_folder_of_parquet_opens_as_a_folder(format: str, tmp_path: Path, out: Path) -> None:
    list(export(dataset_of(tmp_path, records(4)), out, format))
    (out / "_results.json").write_text("{}")
    assert len(pd.read_parquet(out)) == 4
