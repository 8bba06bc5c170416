"""The RefCOCO family as it was published: what goes in comes out, and what is wrong is named."""

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cris.data.conversion import Conversion
from cris.data.manifest import SourceInfo
from cris.data.refer import convert_refer
from cris.data.references import SPLIT_SIZES, data_set_of, read_references, split_sizes
from cris.data.selection import Selection, read_drop_list, read_review
from cris.data.store import StoredDataset
from cris.data.writer import write_dataset
from cris.masks import decode_rle
from tests.family import Family, encoded, grefs, make_family, python2_pickle

FAMILY = make_family()


def stored(conversion: Conversion, out: Path) -> StoredDataset:
    """What is read after it was written."""
    source = SourceInfo(kind="refer", options={"order": conversion.order})
    write_dataset(out, conversion.pictures, source, command="test")
    return StoredDataset(out)


def check_all(dataset: StoredDataset, family: Family, refs: list[dict[str, Any]]) -> None:
    """Every picture, object, mask, sentence and split is as in the source."""
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
        assert record.image == family.pictures[record.file_name]
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
def test_pictures_are_read_out_of_a_zip(tmp_path: Path, folder: str) -> None:
    refs, instances, _ = FAMILY.write(tmp_path / "refcoco")
    with zipfile.ZipFile(tmp_path / "train2014.zip", "w") as archive:
        for name, content in FAMILY.pictures.items():
            archive.writestr(folder + name, content)
    dataset = stored(convert_refer(refs, instances, tmp_path / "train2014.zip"), tmp_path / "out")
    check_all(dataset, FAMILY, FAMILY.refs)


def test_a_conversion_can_begin_anywhere(tmp_path: Path) -> None:
    conversion = convert_refer(*FAMILY.write(tmp_path))
    everything = list(conversion.pictures(0))
    assert len(everything) == conversion.count
    assert list(conversion.pictures(7)) == everything[7:]


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


def test_splits_that_share_pictures_are_reported(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    shared = {family.refs[0]["image_id"]}
    for ref, split in zip(
        [ref for ref in family.refs if ref["image_id"] in shared], ["train", "val"], strict=False
    ):
        ref["split"] = split
    refs, instances, images = family.write(tmp_path)
    assert "1 pictures of val are in train too" in convert_refer(refs, instances, images).remarks


def test_missing_pictures_are_listed_and_may_be_skipped(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    names = sorted(FAMILY.pictures)
    for name in names[:7]:
        (images / name).unlink()
    with pytest.raises(ValueError, match="7 of 40 pictures are missing") as error:
        convert_refer(refs, instances, images)
    assert all(name in str(error.value) for name in names[:5])
    assert "--skip-missing" in str(error.value)
    conversion = convert_refer(refs, instances, images, is_skipping_missing=True)
    assert conversion.count == 33
    assert any(remark.startswith("7 of 40 pictures are missing") for remark in conversion.remarks)
    assert {record.file_name for record in conversion.pictures(0)} == set(names[7:])


def test_a_folder_without_any_of_the_pictures_is_an_error(tmp_path: Path) -> None:
    refs, instances, _ = FAMILY.write(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match="none of the 40 pictures is there: --images must have COCO_train2014"
    ):
        convert_refer(refs, instances, tmp_path / "empty", is_skipping_missing=True)


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
        (change_ref(image_id=1), r"row 3: image_id 1 is no picture of .*instances.json"),
        (change_ref(ann_id=7), r"row 3: ann_id 7 is no annotation of .*instances.json"),
        (change_ref(ann_id=500), r"row 3: ann_id 500 must be in picture \d+, it is in \d+"),
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
        (change_annotation(image_id=5), r"annotations row 2: image_id 5 is no picture"),
        (
            change_annotation(segmentation=None),
            r"annotations row 2: segmentation must be polygons or run lengths",
        ),
        (
            change_annotation(segmentation={"size": [9, 9], "counts": [81]}),
            r"annotations row 2: segmentation must have the picture's size \[\d+, \d+\], got \[9, 9\]",
        ),
        (change_image(id=1280), r"picture id 1280 is there twice"),
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
        list(conversion.pictures(0))


def test_a_mask_that_nothing_means_may_be_left_out(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    meant = {ref["ann_id"] for ref in family.refs}
    spare = next(each for each in family.instances["annotations"] if each["id"] not in meant)
    spare["segmentation"] = [[1, 2, 3, 4]]
    conversion = convert_refer(*family.write(tmp_path))
    with pytest.warns(UserWarning, match="left out, as nothing refers to it"):
        records = list(conversion.pictures(0))
    assert spare["id"] not in {each.id for record in records for each in record.objects}


def test_a_picture_of_another_size_than_annotated_is_refused(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    name = min(FAMILY.pictures)
    (images / name).write_bytes(encoded(np.zeros((11, 12, 3), dtype=np.uint8)))
    with pytest.raises(ValueError, match=rf"{name}: picture must have .* got 11×12 once upright"):
        list(convert_refer(refs, instances, images).pictures(0))


@pytest.mark.parametrize("content", [b"", b"no picture", FAMILY.pictures[min(FAMILY.pictures)][:-400]])
def test_a_damaged_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    refs, instances, images = FAMILY.write(tmp_path)
    name = min(FAMILY.pictures)
    (images / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: damaged picture"):
        list(convert_refer(refs, instances, images).pictures(0))


def test_a_turned_picture_counts_as_it_is_seen(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    info = family.instances["images"][0]
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((info["width"], info["height"], 3), dtype=np.uint8)
    path = tmp_path / "turned.jpg"
    Image.fromarray(pixels).save(path, exif=exif)
    family.pictures[info["file_name"]] = path.read_bytes()
    record = next(r for r in convert_refer(*family.write(tmp_path)).pictures(0) if r.picture_id == info["id"])
    assert (record.height, record.width) == (info["height"], info["width"])


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    refs, instances, images = FAMILY.write(tmp_path / "a")
    name = min(FAMILY.pictures)
    outside = tmp_path / "secret.jpg"
    (images / name).rename(outside)
    (images / name).symlink_to(outside)
    with pytest.raises(ValueError, match="symbolic link out of"):
        convert_refer(refs, instances, images)


def test_blank_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    family.refs[0]["sentences"] = [{"sent": " ", "sent_id": 1}]
    family.refs[1]["sentences"].append({"sent": "", "sent_id": 2})
    conversion = convert_refer(*family.write(tmp_path))
    assert "2 blank sentences left out, and 1 references that had no others" in conversion.remarks
    kept = {entry.ref_id for record in conversion.pictures(0) for entry in record.entries}
    assert kept == {ref["ref_id"] for ref in family.refs[1:]}


def sentences(conversion: Conversion) -> dict[tuple[int, str], str]:
    """Picture and sentence → split."""
    return {
        (record.picture_id, sentence): entry.split
        for record in conversion.pictures(0)
        for entry in record.entries
        for sentence in entry.sentences
    }


@pytest.mark.parametrize("form", ["lines", "json"])
def test_a_list_drops_references_and_single_sentences(tmp_path: Path, form: str) -> None:
    paths = FAMILY.write(tmp_path)
    several = next(ref for ref in FAMILY.refs[1:] if len(ref["sentences"]) > 1)
    ids = [str(FAMILY.refs[0]["ref_id"]), f"sentence:{several['sent_ids'][0]}", "77777"]
    path = tmp_path / ("drop.json" if form == "json" else "drop.txt")
    path.write_text(
        json.dumps([FAMILY.refs[0]["ref_id"], *ids[1:]]) if form == "json" else "\n".join(ids) + "\n\n"
    )
    before = sentences(convert_refer(*paths))
    conversion = convert_refer(*paths, selection=Selection(dropped=read_drop_list(path)))
    gone = {(FAMILY.refs[0]["image_id"], each["sent"]) for each in FAMILY.refs[0]["sentences"]}
    gone.add((several["image_id"], several["sentences"][0]["sent"]))
    assert sentences(conversion).keys() == before.keys() - gone
    count = len(FAMILY.refs[0]["sentences"]) + 1
    assert (
        f"{count} sentences of 1 references dropped by 2 ids; 1 ids are not in the source: 77777"
        in conversion.remarks
    )


def reviewed(family: Family, wrong: set[int]) -> dict[str, Any]:
    """As Ref-L4 has them: a row for each sentence, numbered anew."""
    images, annotations = [], []
    for ref in family.refs:
        for sentence in ref["sentences"]:
            number = len(images)
            images.append({"id": number, "original_id": ref["image_id"], "caption": sentence["sent"].upper()})
            annotations.append(
                {
                    "id": number,
                    "image_id": number,
                    "original_id": ref["ann_id"],
                    "bbox": family.annotation(ref["ann_id"])["bbox"],
                    "caption_quality": int(sentence["sent_id"] not in wrong),
                }
            )
    return {"images": images, "annotations": annotations, "categories": []}


@pytest.mark.parametrize("is_marking", [True, False])
def test_reviewed_sentences_are_marked_or_dropped(tmp_path: Path, is_marking: bool) -> None:
    paths = FAMILY.write(tmp_path)
    several = next(ref for ref in FAMILY.refs if len(ref["sentences"]) > 1)
    wrong = {several["sent_ids"][0], *FAMILY.refs[-1]["sent_ids"]}
    (tmp_path / "refcoco_val_reviewed.json").write_text(json.dumps(reviewed(FAMILY, wrong)))
    review = read_review([tmp_path])
    assert review.count == sum(len(ref["sentences"]) for ref in FAMILY.refs)
    before = sentences(convert_refer(*paths))
    conversion = convert_refer(*paths, selection=Selection(review=review, is_marking=is_marking))
    after = sentences(conversion)
    doubted = {
        (ref["image_id"], each["sent"]): ref["split"]
        for ref in FAMILY.refs
        for each in ref["sentences"]
        if each["sent_id"] in wrong
    }
    assert doubted
    if is_marking:
        assert after == before | {key: f"{split}-doubtful" for key, split in doubted.items()}
    else:
        assert after == {key: split for key, split in before.items() if key not in doubted}
    assert any(f"{len(wrong)} sentences" in remark for remark in conversion.remarks)
    list(conversion.pictures(0))


def test_a_review_without_quality_is_refused(tmp_path: Path) -> None:
    content = reviewed(FAMILY, set())
    del content["annotations"][4]["caption_quality"]
    path = tmp_path / "a_reviewed.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="annotations row 4: caption_quality is missing"):
        read_review([path])
    with pytest.raises(ValueError, match=r"has no files named …_reviewed\.json"):
        read_review([FAMILY.write(tmp_path / "b")[2]])
