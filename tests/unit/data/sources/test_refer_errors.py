"""What is wrong in the files of the RefCOCO family is named: file, row and field."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cris.data.annotations.invalid import InvalidRows
from cris.data.sources.refer import convert_refer
from tests.fixtures.family import Family, encoded, make_family, python2_pickle

FAMILY = make_family()


Change = Callable[[Family], None]


def change_ref(**fields: Any) -> Change:
    return lambda family: family.refs[3].update(fields)


def change_annotation(**fields: Any) -> Change:
    return lambda family: family.instances["annotations"][2].update(fields)


def change_image(**fields: Any) -> Change:
    return lambda family: family.instances["images"][1].update(fields)


def without(rows: str, field: str) -> Change:
    return lambda family: family.instances[rows][0].pop(field)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_ref(split="tset"), r"row 3: split must be one of train, val, test, testA, testB, got 'tset'"),
        (change_ref(split=3), r"row 3: split must be text, got 3"),
        (change_ref(ref_id=90), r"row 3: ref_id 90 is that of row 0 too"),
        (change_ref(ref_id="x"), r"row 3: ref_id must be a whole number, got 'x'"),
        (change_ref(ref_id=True), r"row 3: ref_id must be a whole number, got True"),
        (change_ref(image_id=1), r"row 3: image_id 1 is no image of .*instances.json"),
        (change_ref(ann_id=7), r"row 3: ann_id 7 is no annotation of .*instances.json"),
        (change_ref(ann_id=500), r"row 3: ann_id 500 must be in image \d+, it is in \d+"),
        (change_ref(ann_id=None), r"row 3: ann_id must be an annotation's id or a list of them, got None"),
        (change_ref(ann_id=[500, 500]), r"row 3: ann_id must be ids of which none is there twice"),
        (change_ref(no_target=True), r"row 3: ann_id must be -1, as no_target is set"),
        (change_ref(sentences=None), r"row 3: sentences must be a list, got None"),
        (
            change_ref(sentences=[{"raw": "x"}]),
            r"row 3: sentences row 0: sent is missing; the fields are raw",
        ),
        (change_ref(sentences=["x"]), r"row 3: sentences row 0 must be fields with names"),
        (change_annotation(id=500), r"annotations row 2: id 500 is there twice"),
        (
            change_annotation(bbox=[1.0, float("nan"), 2, 2]),
            r"annotations row 2: bbox must be a list of finite numbers",
        ),
        (change_annotation(bbox=[1, 2, -3, 4]), r"annotations row 2: bbox must be left, top, width, height"),
        (change_annotation(bbox=[1, 2, 3]), r"annotations row 2: bbox must be left, top, width, height"),
        (change_annotation(bbox="x"), r"annotations row 2: bbox must be a list of numbers"),
        (change_annotation(area=float("inf")), r"annotations row 2: area must be a list of finite numbers"),
        (change_annotation(area=-1), r"annotations row 2: area must be 0 or more pixels, got -1"),
        (change_annotation(iscrowd=2), r"annotations row 2: iscrowd must be 0 or 1, got 2"),
        (
            change_annotation(category_id=5),
            r"annotations row 2: category_id must be one of the categories, got 5",
        ),
        (change_annotation(image_id=5), r"annotations row 2: image_id 5 is no image"),
        (
            change_annotation(segmentation=None),
            r"annotations row 2: segmentation must be polygons or run lengths",
        ),
        (
            change_annotation(segmentation={"size": [9, 9], "counts": [81]}),
            r"annotations row 2: segmentation must have the image's size \[\d+, \d+\], got \[9, 9\]",
        ),
        (change_image(id=1280), r"image id 1280 is there twice"),
        (change_image(height=0), r"images row 1: height must be a whole number from 1 on, got 0"),
        (change_image(height=31.5), r"images row 1: height must be a whole number from 1 on, got 31.5"),
        (change_image(file_name="../a.jpg"), r"images row 1: file_name: a path must not go up by '..'"),
        (change_image(file_name="/etc/passwd"), r"images row 1: file_name: a path must be relative"),
        (change_image(file_name="C:\\a.jpg"), r"images row 1: file_name: a path must be relative"),
        (change_image(file_name=""), r"images row 1: file_name: a path must have signs"),
        (without("images", "width"), r"images row 0: width is missing"),
        (without("annotations", "bbox"), r"annotations row 0: bbox is missing"),
    ],
)
def test_bad_fields_are_named_before_anything_is_written(
    tmp_path: Path, change: Change, message: str
) -> None:
    family = copy.deepcopy(FAMILY)
    change(family)
    refs, instances, images = tmp_path / "refs(unc).p", tmp_path / "instances.json", tmp_path / "images"
    FAMILY.write(tmp_path)
    refs.write_bytes(python2_pickle(family.refs, protocol=2))
    instances.write_text(json.dumps(family.instances))
    with pytest.raises(ValueError, match=message):
        convert_refer(refs, instances, images)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1"),
        (b"[", "line 1"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "fields with names"),
        (b"{}", "categories is missing"),
    ],
)
def test_a_damaged_instances_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    instances.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        convert_refer(refs, instances, images)
    assert str(instances) in str(error.value)


def first(family: Family) -> dict[str, Any]:
    """An annotation that something refers to."""
    return family.annotation(family.refs[0]["ann_id"])


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3, 4]], "three points"),
        ([[1, 2, 3, 4, 5, float("nan")]], "finite"),
        ([], "an empty list"),
    ],
)
def test_a_mask_that_is_meant_must_be_one(tmp_path: Path, segmentation: Any, message: str) -> None:
    family = copy.deepcopy(FAMILY)
    first(family)["segmentation"] = segmentation
    conversion = convert_refer(*family.write(tmp_path))
    with pytest.raises(ValueError, match=rf"annotations row \d+: segmentation.*{message}"):
        list(conversion.images(0))


def test_a_mask_that_nothing_means_may_be_left_out(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    meant = {ref["ann_id"] for ref in family.refs}
    spare = next(each for each in family.instances["annotations"] if each["id"] not in meant)
    spare["segmentation"] = [[1, 2, 3, 4]]
    conversion = convert_refer(*family.write(tmp_path))
    records = list(conversion.images(0))
    assert spare["id"] not in {each.id for record in records for each in record.objects}
    (error,) = conversion.invalid.left_out["annotations"]
    assert "three points" in error


def test_a_image_of_another_size_than_annotated_is_refused(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    name = min(FAMILY.images)
    (images / name).write_bytes(encoded(np.zeros((11, 12, 3), dtype=np.uint8)))
    with pytest.raises(ValueError, match=rf"{name}: image must have .* got 11×12 once upright"):
        list(convert_refer(refs, instances, images).images(0))


@pytest.mark.parametrize("content", [b"", b"no image", FAMILY.images[min(FAMILY.images)][:-400]])
def test_a_damaged_image_is_refused(tmp_path: Path, content: bytes) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    name = min(FAMILY.images)
    (images / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: damaged image"):
        list(convert_refer(refs, instances, images).images(0))


def test_a_turned_image_counts_as_it_is_seen(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    info = family.instances["images"][0]
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((info["width"], info["height"], 3), dtype=np.uint8)
    path = tmp_path / "turned.jpg"
    Image.fromarray(pixels).save(path, exif=exif)
    family.images[info["file_name"]] = path.read_bytes()
    record = next(r for r in convert_refer(*family.write(tmp_path)).images(0) if r.picture_id == info["id"])
    assert (record.height, record.width) == (info["height"], info["width"])


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path / "a")
    name = min(FAMILY.images)
    outside = tmp_path / "secret.jpg"
    (images / name).rename(outside)
    (images / name).symlink_to(outside)
    with pytest.raises(ValueError, match="symbolic link out of"):
        convert_refer(refs, instances, images)


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (change_ref(split="tset"), {"references": 1}),
        (change_ref(ref_id=90), {"references": 1}),
        (change_ref(ann_id=7), {"references": 1}),
        (change_ref(sentences=["x"]), {"references": 1}),
        (change_ref(image_id=2**64), {"references": 1}),
        (lambda family: first(family).update(segmentation=[]), {"annotations": 1, "sentences": 1}),
        (lambda family: first(family).update(bbox=[1]), {"annotations": 1, "references": 1}),
    ],
)
def test_skipped_rows_leave_the_others(tmp_path: Path, change: Change, kinds: dict[str, int]) -> None:
    whole = list(convert_refer(*FAMILY.write(tmp_path / "whole")).images(0))
    family = copy.deepcopy(FAMILY)
    change(family)
    sources = family.write(tmp_path / "changed")
    invalid = InvalidRows(is_skipping=True)
    left = list(convert_refer(*sources, invalid=invalid).images(0))
    assert {kind: len(errors) for kind, errors in invalid.left_out.items()} == kinds
    entries, before = ([each for record in records for each in record.entries] for records in (left, whole))
    assert len(entries) == len(before) - 1
    assert all(entry in before for entry in entries)


def test_ids_that_pandas_wrote_as_floats_are_the_same_ids(tmp_path: Path) -> None:
    whole = list(convert_refer(*FAMILY.write(tmp_path / "whole")).images(0))
    family = copy.deepcopy(FAMILY)
    for ref in family.refs:
        ref["ann_id"] = float(ref["ann_id"])
        for sentence in ref["sentences"]:
            sentence["sent_id"] = float(sentence["sent_id"])
    assert list(convert_refer(*family.write(tmp_path / "floats")).images(0)) == whole
