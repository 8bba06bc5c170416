"""The RefCOCO family as it was published: what goes in comes out, and what is wrong is named."""

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cris.data.annotations.references import SPLIT_SIZES, data_set_of, read_references, split_sizes
from cris.data.sources.conversion import Conversion
from cris.data.sources.refer import convert_refer
from cris.data.store.manifest import SourceInfo
from cris.data.store.reading import StoredDataset
from cris.data.store.writing import write_dataset
from cris.masks import decode_rle
from tests.fixtures.family import CATEGORIES, Family, grefs, make_family, python2_pickle

FAMILY = make_family()


def stored(conversion: Conversion, out: Path) -> StoredDataset:
    """What is read after it was written."""
    source = SourceInfo(kind="refer", options={"order": conversion.order})
    write_dataset(out, conversion.images, source, command="test")
    return StoredDataset(out)


def check_all(dataset: StoredDataset, family: Family, refs: list[dict[str, Any]]) -> None:
    """Every image, object, mask, sentence and split is as in the source."""
    masks = family.masks()
    annotations = {each["id"]: each for each in family.instances["annotations"]}
    categories = {each["id"]: each["name"] for each in family.instances["categories"]}
    by_ref = {ref["ref_id"]: ref for ref in refs}
    seen_objects, seen_refs = set(), set()
    for record in dataset:
        info = next(each for each in family.instances["images"] if each["id"] == record.picture_id)
        assert (record.file_name, record.height, record.width) == (
            info["file_name"],
            info["height"],
            info["width"],
        )
        assert record.image == family.images[record.file_name]
        for each in record.objects:
            annotation = annotations[each.id]
            assert np.array_equal(decode_rle(each.rle), masks[each.id]), each.id
            assert list(each.box) == annotation["bbox"]
            assert each.area == annotation["area"]
            assert each.is_crowd == bool(annotation["iscrowd"])
            assert each.category == categories[annotation["category_id"]]
            assert annotation["image_id"] == record.picture_id
            seen_objects.add(each.id)
        for entry in record.entries:
            ref = by_ref[entry.ref_id]
            ids = ref["ann_id"] if isinstance(ref["ann_id"], list) else [ref["ann_id"]]
            assert list(entry.object_ids) == [each for each in ids if each != -1]
            assert list(entry.sentences) == [sentence["sent"] for sentence in ref["sentences"]]
            assert (entry.split, record.picture_id) == (ref["split"], ref["image_id"])
            seen_refs.add(entry.ref_id)
    assert seen_refs == by_ref.keys()
    assert seen_objects == annotations.keys()


def test_the_fixture_has_the_awkward_cases() -> None:
    annotations = FAMILY.instances["annotations"]
    kinds = [each["segmentation"] for each in annotations]
    assert len(annotations) > 100
    assert sum(len(ref["sentences"]) for ref in FAMILY.refs) > 200
    assert any(isinstance(kind, list) and len(kind) > 1 for kind in kinds)
    assert {type(kind["counts"]) for kind in kinds if isinstance(kind, dict)} == {str, list}
    assert any(not ref["sentences"][0]["sent"].isascii() for ref in FAMILY.refs)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_all_comes_back_from_pickles_of_python_2(tmp_path: Path, protocol: int) -> None:
    refs, instances, images = FAMILY.write(tmp_path / "refcoco")
    refs.write_bytes(python2_pickle(FAMILY.refs, protocol=protocol))
    conversion = convert_refer(refs, instances, images)
    dataset = stored(conversion, tmp_path / "out")
    check_all(dataset, FAMILY, FAMILY.refs)
    ids = [record.picture_id for record in dataset]
    assert ids == sorted(ids)


@pytest.mark.parametrize("name", ["refs(umd).p", "refs(google).p"])
def test_the_other_partitions_are_of_the_same_form(tmp_path: Path, name: str) -> None:
    refs, instances, images = FAMILY.write(tmp_path / "refcocog")
    refs = refs.rename(refs.with_name(name))
    dataset = stored(convert_refer(refs, instances, images), tmp_path / "out")
    check_all(dataset, FAMILY, FAMILY.refs)


def test_grefcoco_means_none_one_or_several_objects(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    rows = grefs(FAMILY)
    refs = refs.with_name("grefs(unc).json")
    refs.write_text(json.dumps(rows), encoding="utf-8")
    dataset = stored(convert_refer(refs, instances, images), tmp_path / "out")
    check_all(dataset, FAMILY, rows)
    counts = {len(entry.object_ids) for record in dataset for entry in record.entries}
    assert counts >= {0, 1, 2}


@pytest.mark.parametrize("folder", ["", "train2014/"])
def test_images_are_read_out_of_a_zip(tmp_path: Path, folder: str) -> None:
    refs, instances, _ = FAMILY.write(tmp_path / "refcoco")
    with zipfile.ZipFile(tmp_path / "train2014.zip", "w") as archive:
        for name, content in FAMILY.images.items():
            archive.writestr(folder + name, content)
    dataset = stored(convert_refer(refs, instances, tmp_path / "train2014.zip"), tmp_path / "out")
    check_all(dataset, FAMILY, FAMILY.refs)


def test_a_conversion_can_begin_anywhere(tmp_path: Path) -> None:
    conversion = convert_refer(*FAMILY.write(tmp_path))
    everything = list(conversion.images(0))
    assert len(everything) == conversion.count
    assert list(conversion.images(7)) == everything[7:]


def test_differences_from_the_published_sizes_are_reported(tmp_path: Path) -> None:
    conversion = convert_refer(*FAMILY.write(tmp_path / "refcoco+"))
    lines = [str(size) for size in conversion.sizes]
    found = sum(ref["split"] == "train" for ref in FAMILY.refs)
    assert lines[0] == f"train: {found} references, {found - 42278:+,} against the published 42,278"
    assert [size.split for size in conversion.sizes] == ["train", "val", "testA", "testB"]


def test_the_published_sizes_are_told_apart_by_name_folder_and_size(tmp_path: Path) -> None:
    references = read_references(FAMILY.write(tmp_path)[0])
    cases = {
        "refcoco/refs(unc).p": "refcoco",
        "refcoco+/refs(unc).p": "refcoco+",
        "elsewhere/refs(umd).p": "refcocog-umd",
        "refcocog/refs(google).p": "refcocog-google",
        "refcoco/refs(google).p": None,
        "a/grefs(unc).json": "grefcoco",
        "a/mine.p": None,
    }
    for name, data_set in cases.items():
        assert data_set_of(tmp_path / name, references) == data_set
    many = references * (50_000 // len(references))
    assert data_set_of(tmp_path / "refs(unc).p", many) == "refcoco"
    assert data_set_of(tmp_path / "refs(unc).p", many[: sum(SPLIT_SIZES["refcoco+"].values())]) == "refcoco+"


def test_a_whole_data_set_is_as_published() -> None:
    reference = read_references_of([{**FAMILY.refs[0], "split": "val"}])[0]
    sizes = split_sizes([reference] * 2573, "refcocog-umd")
    assert str(next(size for size in sizes if size.split == "val")) == "val: 2,573 references, as published"
    assert str(split_sizes([reference], None)[0]) == "val: 1 references"


def read_references_of(rows: list[dict[str, Any]]) -> list[Any]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "refs(unc).p"
        path.write_bytes(python2_pickle(rows, protocol=2))
        return read_references(path)


def test_splits_that_share_images_are_reported(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    shared = {family.refs[0]["image_id"]}
    for ref, split in zip(
        [ref for ref in family.refs if ref["image_id"] in shared], ["train", "val"], strict=False
    ):
        ref["split"] = split
    refs, instances, images = family.write(tmp_path)
    assert "1 images of val are in train too" in convert_refer(refs, instances, images).remarks


def test_categories_that_are_not_the_annotations_are_counted(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    rows = copy.deepcopy(FAMILY.refs)
    for row in rows[3:5]:
        row["category_id"] = 99
    refs.write_bytes(python2_pickle(rows, protocol=2))
    first, annotation = rows[3], FAMILY.annotation(rows[3]["ann_id"])
    assert [remark for remark in convert_refer(refs, instances, images).remarks if "category" in remark] == [
        f"2 references name another category than their object's: ref_id {first['ref_id']} says 99, "
        f"annotation {annotation['id']} is of {annotation['category_id']}, "
        f"{CATEGORIES[annotation['category_id']]}"
    ]
    multiple = refs.with_name("grefs(unc).json")
    multiple.write_text(json.dumps(grefs(FAMILY)), encoding="utf-8")
    assert "category" not in "".join(convert_refer(multiple, instances, images).remarks)


@pytest.mark.parametrize(
    ("told", "expected"),
    [(18, (18,)), (18.0, (18,)), ([18.0], (18,)), (18.5, ()), (True, ()), (None, ()), ([1, 2], ())],
)
def test_categories_of_references_are_whole_numbers_as_others_are(
    told: object, expected: tuple[int, ...]
) -> None:
    (reference,) = read_references_of([{**FAMILY.refs[0], "category_id": told}])
    assert reference.category_ids == expected


def test_missing_images_are_listed_and_may_be_skipped(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    names = sorted(FAMILY.images)
    for name in names[:7]:
        (images / name).unlink()
    with pytest.raises(ValueError, match="7 of 40 images are missing") as error:
        convert_refer(refs, instances, images)
    assert all(name in str(error.value) for name in names[:5])
    assert "--skip-missing" in str(error.value)
    conversion = convert_refer(refs, instances, images, is_skipping_missing=True)
    assert conversion.count == 33
    assert any(remark.startswith("7 of 40 images are missing") for remark in conversion.remarks)
    assert {record.file_name for record in conversion.images(0)} == set(names[7:])


def test_a_folder_without_any_of_the_images_is_an_error(tmp_path: Path) -> None:
    refs, instances, _ = FAMILY.write(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="none of the 40 images is there: --images must have COCO_train2014"):
        convert_refer(refs, instances, tmp_path / "empty", is_skipping_missing=True)
