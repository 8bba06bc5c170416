"""Re-releases in their exact layouts: what goes in comes out, and other columns are shown side by side."""

import copy
import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco

from cris.data.conversion import Conversion
from cris.data.hub import convert_hub
from cris.data.hub.parquet import ColumnError
from cris.data.manifest import SourceInfo
from cris.data.records import PictureRecord
from cris.data.selection import Selection, read_review
from cris.data.store import StoredDataset
from cris.data.writer import write_dataset
from cris.masks import decode_rle
from tests.family import Family, coco_mask, encoded, grefs, make_family

FAMILY = make_family(36, seed=3)
PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
LMMS = pa.schema(
    {
        "question_id": pa.string(),
        "image": PICTURE,
        "question": pa.string(),
        "answer": pa.list_(pa.string()),
        "segmentation": pa.list_(pa.float32()),
        "bbox": pa.list_(pa.float32()),
        "iscrowd": pa.int8(),
        "file_name": pa.string(),
    }
)
SENTENCE = pa.struct(
    {"raw": pa.string(), "sent": pa.string(), "sent_id": pa.int64(), "tokens": pa.list_(pa.string())}
)
JXU = pa.schema(
    {
        "sent_ids": pa.list_(pa.int64()),
        "file_name": pa.string(),
        "ann_id": pa.int64(),
        "ref_id": pa.int64(),
        "image_id": pa.int64(),
        "split": pa.string(),
        "sentences": pa.list_(SENTENCE),
        "category_id": pa.int64(),
        "raw_anns": pa.string(),
        "raw_image_info": pa.string(),
        "raw_sentences": pa.string(),
        "image_path": pa.string(),
        "bbox": pa.list_(pa.float64()),
        "captions": pa.list_(pa.string()),
        "global_image_id": pa.string(),
        "anns_id": pa.string(),
    }
)
MASK = pa.struct({"counts": pa.string(), "size": pa.list_(pa.int32())})
SAMPLE = pa.struct(
    {
        "id": pa.int64(),
        "image_id": pa.int64(),
        "category": pa.string(),
        "supercategory": pa.string(),
        "label": pa.string(),
        "sentences": pa.list_(pa.string()),
        "bbox": pa.list_(pa.float32()),
        "mask": MASK,
    }
)
MOONDREAM = pa.schema(
    {"image": PICTURE, "image_id": pa.int64(), "file_name": pa.string(), "samples": pa.list_(SAMPLE)}
)


def stored(conversion: Conversion, out: Path) -> list[PictureRecord]:
    """What is read after it was written."""
    source = SourceInfo(kind="hub", options={"order": conversion.order})
    write_dataset(out, conversion.pictures, source, command="test")
    return list(StoredDataset(out))


def write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=20)
    return path


def sentences_of(ref: dict[str, Any]) -> list[str]:
    return [each["sent"] for each in ref["sentences"]]


def info_of(family: Family, image_id: int) -> dict[str, Any]:
    return next(each for each in family.instances["images"] if each["id"] == image_id)


def lmms_rows(family: Family) -> list[dict[str, Any]]:
    rows = []
    for ref in family.refs:
        annotation = family.annotation(ref["ann_id"])
        if isinstance(annotation["segmentation"], dict):
            continue  # it has polygons only
        info = info_of(family, ref["image_id"])
        rows.append(
            {
                "question_id": str(ref["ref_id"]),
                "image": {"bytes": family.pictures[info["file_name"]], "path": info["file_name"]},
                "question": "Please carefully observe the area …",
                "answer": sentences_of(ref),
                "segmentation": annotation["segmentation"][0],
                "bbox": annotation["bbox"],
                "iscrowd": annotation["iscrowd"],
                "file_name": ref["file_name"],
                "split": ref["split"],
            }
        )
    return rows


def write_lmms(folder: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema = LMMS) -> Path:
    rows = list(rows)
    for split in sorted({row["split"] for row in rows}):
        own = [
            {key: value for key, value in row.items() if key != "split"}
            for row in rows
            if row["split"] == split
        ]
        half = len(own) // 2
        write(folder / "data" / f"{split}-00000-of-00002.parquet", own[:half], schema)
        write(folder / "data" / f"{split}-00001-of-00002.parquet", own[half:], schema)
    return folder


def test_rows_of_objects_come_back(tmp_path: Path) -> None:
    rows = lmms_rows(FAMILY)
    conversion = convert_hub(write_lmms(tmp_path / "RefCOCO", rows))
    records = stored(conversion, tmp_path / "out")
    wanted = {(tuple(row["answer"]), row["split"]): row for row in rows}
    assert len(rows) > 50
    seen = 0
    for record in records:
        info = info_of(FAMILY, record.picture_id)
        assert (record.file_name, record.height, record.width) == (
            info["file_name"],
            info["height"],
            info["width"],
        )
        assert record.image == FAMILY.pictures[record.file_name]
        objects = {each.id: each for each in record.objects}
        for entry in record.entries:
            row = wanted[entry.sentences, entry.split]
            (number,) = entry.object_ids
            # of the numbers as they were before they were stored in 32 bits
            expected = coco_mask([row["segmentation"]], record.height, record.width)
            assert np.array_equal(decode_rle(objects[number].rle), expected)
            assert list(objects[number].box) == row["bbox"]
            assert objects[number].area == expected.sum()
            assert objects[number].category == "object"
            seen += 1
    assert seen == len(rows)
    names = [record.picture_id for record in records]
    assert len(set(names)) == len(names) == len({row["file_name"].rsplit("_", 1)[0] for row in rows})


def test_polygons_that_are_parts_are_counted(tmp_path: Path) -> None:
    rows = lmms_rows(FAMILY)
    parts = sum(
        len(FAMILY.annotation(ref["ann_id"])["segmentation"]) == 3
        for ref in FAMILY.refs
        if isinstance(FAMILY.annotation(ref["ann_id"])["segmentation"], list)
    )
    remarks = convert_hub(write_lmms(tmp_path, rows)).remarks
    (remark,) = [each for each in remarks if "polygon" in each]
    assert 0 < int(remark.split()[0]) <= parts
    assert f"of {len(rows)} objects" in remark


def test_one_object_of_two_rows_is_one_object(tmp_path: Path) -> None:
    row = lmms_rows(FAMILY)[0]
    other = {**row, "question_id": "x", "answer": ["another sentence"]}
    (record,) = convert_hub(write_lmms(tmp_path, [row, other])).pictures(0)
    assert len(record.objects) == 1
    assert [entry.object_ids for entry in record.entries] == [(record.objects[0].id,)] * 2


def test_pictures_with_other_names_get_running_numbers(tmp_path: Path) -> None:
    rows = [{**row, "file_name": f"größe {place}.jpg"} for place, row in enumerate(lmms_rows(FAMILY)[:5])]
    records = list(convert_hub(write_lmms(tmp_path, rows)).pictures(0))
    assert sorted(record.file_name for record in records) == [f"größe {place}.jpg" for place in range(5)]
    assert len({record.picture_id for record in records}) == 5


def test_a_conversion_can_begin_anywhere(tmp_path: Path) -> None:
    conversion = convert_hub(write_lmms(tmp_path, lmms_rows(FAMILY)))
    everything = list(conversion.pictures(0))
    assert list(conversion.pictures(11)) == everything[11:]


def jxu_rows(family: Family) -> list[dict[str, Any]]:
    rows = []
    for ref in family.refs:
        annotation, info = family.annotation(ref["ann_id"]), info_of(family, ref["image_id"])
        left, top, width, height = annotation["bbox"]
        rows.append(
            {
                **ref,
                "raw_anns": json.dumps(annotation),
                "raw_image_info": json.dumps(info),
                "raw_sentences": json.dumps(ref["sentences"]),
                "image_path": f"coco/train2014/{info['file_name']}",
                "bbox": [left, top, left + width, top + height],
                "captions": sentences_of(ref),
                "global_image_id": f"coco.{info['id']}",
                "anns_id": f"{annotation['id']}",
            }
        )
    return rows


def write_jxu(folder: Path, rows: list[dict[str, Any]], schema: pa.Schema = JXU) -> Path:
    for split, name in {"train": "train", "val": "validation", "testA": "test", "testB": "testB"}.items():
        own = [row for row in rows if row["split"] == split]
        write(folder / "data" / f"{name}-00000-of-00001-0a1b2c.parquet", own, schema)
    return folder


def images_of(family: Family, folder: Path) -> Path:
    return family.write(folder)[2]


def test_rows_of_references_come_back(tmp_path: Path) -> None:
    images = images_of(FAMILY, tmp_path / "source")
    conversion = convert_hub(write_jxu(tmp_path / "refcoco", jxu_rows(FAMILY)), images=images)
    check_meant(stored(conversion, tmp_path / "out"), FAMILY, FAMILY.refs)
    assert str(conversion.sizes[0]).endswith("against the published 42,404")


def check_meant(records: list[PictureRecord], family: Family, refs: list[dict[str, Any]]) -> None:
    """Every reference is there, with its objects' masks."""
    masks, names = family.masks(), {each["id"]: each["name"] for each in family.instances["categories"]}
    found = []
    for record in records:
        assert record.image == family.pictures[record.file_name]
        objects = {each.id: each for each in record.objects}
        for each in record.objects:
            annotation = family.annotation(each.id)
            assert np.array_equal(decode_rle(each.rle), masks[each.id])
            assert list(each.box) == annotation["bbox"]
            assert (each.area, each.is_crowd) == (annotation["area"], bool(annotation["iscrowd"]))
            assert each.category == names[annotation["category_id"]]
        for entry in record.entries:
            assert set(entry.object_ids) <= objects.keys()
            found.append((record.picture_id, entry.object_ids, entry.split, entry.sentences))
    expected = []
    for ref in refs:
        ids = ref["ann_id"] if isinstance(ref["ann_id"], list) else [ref["ann_id"]]
        objects_meant = tuple(each for each in ids if each != -1)
        expected.append((ref["image_id"], objects_meant, ref["split"], tuple(sentences_of(ref))))
    assert sorted(found) == sorted(expected)


def test_pictures_apart_must_be_named(tmp_path: Path) -> None:
    folder = write_jxu(tmp_path, jxu_rows(FAMILY))
    with pytest.raises(ValueError, match=r"jxu124/refcoco come without pictures: pass --images"):
        convert_hub(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"split": "tset"}, "split must be one of train"),
        ({"raw_anns": "{"}, "raw_anns must be JSON"),
        ({"raw_anns": "[]"}, "raw_anns must be fields with names"),
        ({"raw_anns": '{"id": 1}'}, "row 0: raw_anns: category_id is missing"),
        ({"ann_id": 9}, r"ann_id must be that of raw_anns, \d+, got 9"),
        ({"image_id": 9}, r"image_id must be that of raw_image_info, \d+, got 9"),
        ({"ref_id": 91}, "ref_id 91 is that of .* too"),
        ({"ref_id": None}, "ref_id must be a whole number, got None"),
    ],
)
def test_bad_rows_of_references_are_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    rows = jxu_rows(FAMILY)
    rows[0] |= fields
    folder = tmp_path / "refcoco"
    write(folder / "train-0.parquet", rows, JXU)
    with pytest.raises(ValueError, match=message) as error:
        convert_hub(folder, images=images_of(FAMILY, tmp_path / "source"))
    assert "train-0.parquet: row " in str(error.value)


def test_a_box_of_nan_inside_json_is_named(tmp_path: Path) -> None:
    rows = jxu_rows(FAMILY)
    annotation = {**FAMILY.annotation(rows[2]["ann_id"]), "bbox": [float("nan"), 1, 2, 3]}
    rows[2]["raw_anns"] = json.dumps(annotation)
    folder = write(tmp_path / "refcoco" / "train-0.parquet", rows, JXU)
    with pytest.raises(ValueError, match="row 2: raw_anns: bbox must be a list of finite numbers"):
        convert_hub(folder, images=images_of(FAMILY, tmp_path / "source"))


def moondream_rows(family: Family) -> list[dict[str, Any]]:
    masks, rows = family.masks(), []
    names = {each["id"]: each["name"] for each in family.instances["categories"]}
    for info in family.instances["images"]:
        samples = []
        for ref in (ref for ref in family.refs if ref["image_id"] == info["id"]):
            annotation = family.annotation(ref["ann_id"])
            rle = coco.encode(np.asfortranarray(masks[annotation["id"]], dtype=np.uint8))
            samples.append(
                {
                    "id": annotation["id"],
                    "image_id": info["id"],
                    "category": names[annotation["category_id"]],
                    "supercategory": "x",
                    "label": "x",
                    "sentences": sentences_of(ref),
                    "bbox": annotation["bbox"],
                    "mask": {"counts": rle["counts"].decode(), "size": rle["size"]},
                }
            )
        content = {"bytes": family.pictures[info["file_name"]], "path": info["file_name"]}
        rows.append(
            {"image": content, "image_id": info["id"], "file_name": info["file_name"], "samples": samples}
        )
    return rows


@pytest.mark.parametrize("has_ids", [True, False])
def test_rows_of_pictures_come_back(tmp_path: Path, has_ids: bool) -> None:
    names = ["image", "samples"] if not has_ids else MOONDREAM.names
    schema = pa.schema([MOONDREAM.field(name) for name in names])
    rows = [{name: row[name] for name in names} for row in moondream_rows(FAMILY)]
    path = write(tmp_path / "refcoco-m" / "data" / "validation-00000-of-00001.parquet", rows, schema)
    records = stored(convert_hub(path.parents[1]), tmp_path / "out")
    assert len(records) == len(rows) == len(FAMILY.pictures)
    masks = FAMILY.masks()
    for record, row in zip(records, moondream_rows(FAMILY), strict=True):
        assert record.image == row["image"]["bytes"]
        assert (record.picture_id == row["image_id"]) == has_ids
        assert [each.id for each in record.objects] == sorted(each["id"] for each in row["samples"])
        by_id = {each.id: each for each in record.objects}
        for sample, entry in zip(row["samples"], record.entries, strict=True):
            assert np.array_equal(decode_rle(by_id[sample["id"]].rle), masks[sample["id"]])
            assert by_id[sample["id"]].category == sample["category"]
            assert (entry.object_ids, entry.split) == ((sample["id"],), "val")
            assert list(entry.sentences) == sample["sentences"]


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    rows = moondream_rows(FAMILY)
    rows[4]["samples"][0]["mask"]["size"] = [3, 4]
    path = write(tmp_path / "validation-0.parquet", rows, MOONDREAM)
    with pytest.raises(ValueError, match=r"row 4: samples row 0: segmentation must have the picture's size"):
        convert_hub(path)


@pytest.mark.parametrize(
    "content", [None, {"bytes": None, "path": "a.jpg"}, {"bytes": b"x", "path": "a.jpg"}]
)
def test_a_picture_that_is_not_there_is_named(tmp_path: Path, content: Any) -> None:
    rows = moondream_rows(FAMILY)
    rows[2]["image"] = content
    path = write(tmp_path / "validation-0.parquet", rows, MOONDREAM)
    with pytest.raises(ValueError, match=r"validation-0.parquet: row 2: image"):
        convert_hub(path)


def mdetr(family: Family, refs: list[dict[str, Any]], split: str, *, has_masks: bool) -> dict[str, Any]:
    images, annotations = [], []
    for ref in refs:
        info = info_of(family, ref["image_id"])
        ids = ref["ann_id"] if isinstance(ref["ann_id"], list) else [ref["ann_id"]]
        for sentence in ref["sentences"]:
            if ref["split"] != split:
                continue
            number = 300 + len(images)
            image = {key: info[key] for key in ("file_name", "height", "width")}
            image |= {"id": number, "original_id": info["id"], "caption": sentence["sent"]}
            images.append(image | {"dataset_name": "refcoco", "tokens_negative": [[0, 1]]})
            for original in ids:
                row = {"image_id": number, "id": len(annotations), "original_id": original}
                row |= {"tokens_positive": [[0, 1]]}
                if original == -1:
                    row |= {"area": -1, "iscrowd": -1, "category_id": -1, "bbox": [0, 0, 0, 0], "empty": True}
                else:
                    source = family.annotation(original)
                    names = (
                        "area",
                        "iscrowd",
                        "category_id",
                        "bbox",
                        *(["segmentation"] if has_masks else []),
                    )
                    row |= {name: source[name] for name in names}
                annotations.append(row)
    return {**family.instances, "images": images, "annotations": annotations}


def write_mdetr(folder: Path, refs: list[dict[str, Any]], name: str, *, has_masks: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val", "testA", "testB"):
        content = mdetr(FAMILY, refs, split, has_masks=has_masks)
        (folder / f"finetune_{name}_{split}.json").write_text(json.dumps(content))
    (folder / "final_mixed_train.json").write_text("{}")  # another of MDETR's files
    return folder


@pytest.mark.parametrize("name", ["refcoco", "refcoco+", "refcocog"])
@pytest.mark.parametrize("has_masks", [True, False])
def test_sentences_of_mdetr_come_back(tmp_path: Path, name: str, has_masks: bool) -> None:
    folder = write_mdetr(tmp_path / "mdetr", FAMILY.refs, name, has_masks=has_masks)
    _, instances, images = FAMILY.write(tmp_path / "source")
    conversion = convert_hub(folder, images=images, instances=None if has_masks else instances)
    check_meant(stored(conversion, tmp_path / "out"), FAMILY, FAMILY.refs)
    assert "published 42," in str(conversion.sizes[0])


def test_mdetr_has_objects_of_none_one_and_several(tmp_path: Path) -> None:
    rows = grefs(FAMILY)
    folder = write_mdetr(tmp_path / "mdetr", rows, "grefcoco", has_masks=False)
    _, instances, images = FAMILY.write(tmp_path / "source")
    records = list(convert_hub(folder, images=images, instances=instances).pictures(0))
    found = {(r.picture_id, s, e.object_ids) for r in records for e in r.entries for s in e.sentences}
    expected = {
        (ref["image_id"], sentence, tuple(each for each in ref["ann_id"] if each != -1))
        for ref in rows
        for sentence in sentences_of(ref)
    }
    assert found == expected


def test_mdetr_without_masks_asks_for_them(tmp_path: Path) -> None:
    folder = write_mdetr(tmp_path / "mdetr", FAMILY.refs, "refcoco", has_masks=False)
    with pytest.raises(ValueError, match="segmentation is missing: pass --instances"):
        convert_hub(folder, images=images_of(FAMILY, tmp_path / "source"))


def test_mdetr_of_two_data_sets_is_refused(tmp_path: Path) -> None:
    for name in ("refcoco", "refcoco+"):
        write_mdetr(tmp_path / "mdetr", FAMILY.refs, name, has_masks=True)
    with pytest.raises(ValueError, match=r"must be of one data set, got refcoco, refcoco\+"):
        convert_hub(tmp_path / "mdetr", images=images_of(FAMILY, tmp_path / "source"))


def test_columns_that_differ_are_shown_side_by_side(tmp_path: Path) -> None:
    rows = [
        {**row, "box": row["bbox"], "segmentation": str(row["segmentation"])} for row in lmms_rows(FAMILY)
    ]
    fields = {field.name: field.type for field in LMMS if field.name != "bbox"}
    schema = pa.schema(fields | {"segmentation": pa.string(), "box": pa.list_(pa.float32())})
    with pytest.raises(ColumnError) as error:
        convert_hub(write_lmms(tmp_path, rows, schema))
    assert str(error.value).endswith(
        "columns are nearest to those of lmms-lab/RefCOCO, but segmentation must be list of numbers, found "
        "string; bbox must be list of numbers, found nothing"
    )
    wrong = {check.name: (check.expected, check.found) for check in error.value.checks if not check.is_right}
    assert wrong == {
        "segmentation": ("list of numbers", "string"),
        "bbox": ("list of numbers", "nothing"),
    }
    assert len(error.value.checks) == 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bbox": [1, 2, float("nan"), 4]}, "row 1: bbox must be a list of finite numbers"),
        ({"bbox": [1, 2, 3]}, "row 1: bbox must be left, top, width, height"),
        ({"segmentation": [1, float("inf")]}, "row 1: segmentation must be a list of finite numbers"),
        ({"segmentation": None}, "row 1: segmentation must be a list of numbers, got None"),
        ({"iscrowd": 2}, "row 1: iscrowd must be 0 or 1"),
        ({"answer": None}, "row 1: answer must be a list, got None"),
        ({"file_name": None}, "row 1: file_name must be text, got None"),
        ({"file_name": "../../a.jpg"}, "file_name: a path must not go up"),
    ],
)
def test_bad_rows_of_objects_are_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    rows = [{key: value for key, value in row.items() if key != "split"} for row in lmms_rows(FAMILY)]
    rows[1] |= fields
    path = write(tmp_path / "val-0.parquet", rows, LMMS)
    with pytest.raises(ValueError, match=message) as error:
        convert_hub(path)
    assert str(path) in str(error.value)


def test_two_sizes_of_one_picture_are_refused(tmp_path: Path) -> None:
    rows = lmms_rows(FAMILY)[:1] * 2
    other = encoded(np.zeros((9, 9, 3), dtype=np.uint8))
    rows[1] = {**rows[1], "image": {"bytes": other, "path": "x"}}
    with pytest.raises(ValueError, match=r"image must be of \d+×\d+ pixels, as in an earlier row of COCO"):
        convert_hub(write_lmms(tmp_path, rows))


def test_a_file_without_a_split_in_its_name_is_refused(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "split"} for row in lmms_rows(FAMILY)]
    with pytest.raises(ValueError, match="name must begin with one of train, val"):
        convert_hub(write(tmp_path / "part-0.parquet", rows, LMMS))
    path = write(tmp_path / "default" / "testA" / "0000.parquet", rows, LMMS)  # as the hub converts files
    splits = {entry.split for record in convert_hub(path).pictures(0) for entry in record.entries}
    assert splits == {"testA"}


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_of_nothing_known_is_refused(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "a"
    if is_there:
        folder.mkdir()
    with pytest.raises(
        ValueError, match="neither Parquet files nor" if is_there else "there is no file or folder"
    ):
        convert_hub(folder)


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "val-0.parquet", moondream_rows(FAMILY), MOONDREAM)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"val-0\.parquet is not a whole Parquet file"):
        convert_hub(path)


def test_a_review_finds_objects_by_their_boxes(tmp_path: Path) -> None:
    rows = lmms_rows(FAMILY)
    row = rows[4]
    picture_id = int(row["file_name"].split("_")[2])
    content = {
        "images": [{"id": 1, "original_id": picture_id, "caption": row["answer"][0]}],
        "annotations": [
            {"id": 1, "image_id": 1, "original_id": 10**9, "bbox": row["bbox"], "caption_quality": 0},
        ],
    }
    path = tmp_path / "refcoco_val_reviewed.json"
    path.write_text(json.dumps(content))
    folder = write_lmms(tmp_path / "RefCOCO", rows)
    selection = Selection(review=read_review([path]), is_marking=True)
    records = list(convert_hub(folder, selection=selection).pictures(0))
    doubtful = [e for r in records for e in r.entries if e.split.endswith("-doubtful")]
    assert [entry.sentences for entry in doubtful] == [(row["answer"][0],)]


def test_layouts_are_left_as_they_were() -> None:
    """The fixtures are shared; a test that altered them would hide what another must find."""
    assert copy.deepcopy(FAMILY) == make_family(36, seed=3)


@pytest.mark.parametrize("layout", ["objects", "pictures apart"])
def test_an_interrupted_conversion_goes_on_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.setattr("cris.data.writer.SHARD_PICTURES", 5)
    if layout == "objects":
        convert = partial(convert_hub, write_lmms(tmp_path / "RefCOCO", lmms_rows(FAMILY)))
    else:
        folder = write_jxu(tmp_path / "refcoco", jxu_rows(FAMILY))
        convert = partial(convert_hub, folder, images=images_of(FAMILY, tmp_path / "source"))
    source = SourceInfo(kind="hub", options={"order": convert().order})

    def breaking(start: int) -> Iterator[PictureRecord]:
        yield from islice(convert().pictures(start), 7)
        raise OSError("the cable was pulled")

    whole = write_dataset(tmp_path / "whole", convert().pictures, source, command="test")
    for is_resuming in (False, True):
        with pytest.raises(OSError, match="cable"):
            write_dataset(tmp_path / "out", breaking, source, command="test", is_resuming=is_resuming)
    assert not (tmp_path / "out").exists()
    resumed = write_dataset(tmp_path / "out", convert().pictures, source, command="test", is_resuming=True)
    assert len(whole.files) > 3
    assert resumed == whole
