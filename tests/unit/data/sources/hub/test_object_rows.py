"""lmms-lab's layout: what goes in comes out, and what is wrong is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cris.data.annotations.invalid import InvalidRows
from cris.data.annotations.selection import Selection, read_review
from cris.data.sources.hub import convert_hub
from cris.masks import decode_rle
from tests.fixtures.family import coco_mask, encoded, make_family
from tests.fixtures.layouts import (
    LMMS,
    info_of,
    lmms_rows,
    stored,
    write,
    write_lmms,
)

FAMILY = make_family(36, seed=3)


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
        assert record.image == FAMILY.images[record.file_name]
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
    (record,) = convert_hub(write_lmms(tmp_path, [row, other])).images(0)
    assert len(record.objects) == 1
    assert [entry.object_ids for entry in record.entries] == [(record.objects[0].id,)] * 2


def test_images_with_other_names_get_running_numbers(tmp_path: Path) -> None:
    rows = [{**row, "file_name": f"größe {place}.jpg"} for place, row in enumerate(lmms_rows(FAMILY)[:5])]
    records = list(convert_hub(write_lmms(tmp_path, rows)).images(0))
    assert sorted(record.file_name for record in records) == [f"größe {place}.jpg" for place in range(5)]
    assert len({record.picture_id for record in records}) == 5


def test_a_conversion_can_begin_anywhere(tmp_path: Path) -> None:
    conversion = convert_hub(write_lmms(tmp_path, lmms_rows(FAMILY)))
    everything = list(conversion.images(0))
    assert list(conversion.images(11)) == everything[11:]


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


def test_two_sizes_of_one_image_are_refused(tmp_path: Path) -> None:
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
    splits = {entry.split for record in convert_hub(path).images(0) for entry in record.entries}
    assert splits == {"testA"}


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
    records = list(convert_hub(folder, selection=selection).images(0))
    doubtful = [e for r in records for e in r.entries if e.split.endswith("-doubtful")]
    assert [entry.sentences for entry in doubtful] == [(row["answer"][0],)]


def test_skipped_rows_leave_the_others_their_own_images(tmp_path: Path) -> None:
    rows = lmms_rows(FAMILY)
    rows[0]["bbox"] = [1.0]
    rows[7]["image"] = None
    invalid = InvalidRows(is_skipping=True)
    conversion = convert_hub(write_lmms(tmp_path / "RefCOCO", rows), invalid=invalid)
    records = stored(conversion, tmp_path / "out")
    assert len(invalid.left_out["rows"]) == 2
    assert sum(len(record.entries) for record in records) == len(rows) - 2
    assert all(record.image == FAMILY.images[record.file_name] for record in records)
