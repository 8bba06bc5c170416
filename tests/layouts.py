"""The RefCOCO family in the exact layouts of its re-releases, and what must come out of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pycocotools import mask as coco

from cris.data.records import ImageRecord
from cris.data.sources.conversion import Conversion
from cris.data.store.manifest import SourceInfo
from cris.data.store.reading import StoredDataset
from cris.data.store.writing import write_dataset
from cris.masks import decode_rle
from tests.family import Family

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
LMMS = pa.schema(
    {
        "question_id": pa.string(),
        "image": IMAGE,
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
    {"image": IMAGE, "image_id": pa.int64(), "file_name": pa.string(), "samples": pa.list_(SAMPLE)}
)


def stored(conversion: Conversion, out: Path) -> list[ImageRecord]:
    """What is read after it was written."""
    source = SourceInfo(kind="hub", options={"order": conversion.order})
    write_dataset(out, conversion.images, source, command="test")
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
                "image": {"bytes": family.images[info["file_name"]], "path": info["file_name"]},
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


def check_meant(records: list[ImageRecord], family: Family, refs: list[dict[str, Any]]) -> None:
    """Every reference is there, with its objects' masks."""
    masks, names = family.masks(), {each["id"]: each["name"] for each in family.instances["categories"]}
    found = []
    for record in records:
        assert record.image == family.images[record.file_name]
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
        content = {"bytes": family.images[info["file_name"]], "path": info["file_name"]}
        rows.append(
            {"image": content, "image_id": info["id"], "file_name": info["file_name"], "samples": samples}
        )
    return rows


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


def write_mdetr(
    folder: Path, family: Family, refs: list[dict[str, Any]], name: str, *, has_masks: bool
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val", "testA", "testB"):
        content = mdetr(family, refs, split, has_masks=has_masks)
        (folder / f"finetune_{name}_{split}.json").write_text(json.dumps(content))
    (folder / "final_mixed_train.json").write_text("{}")  # another of MDETR's files
    return folder
