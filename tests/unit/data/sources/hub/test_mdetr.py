"""MDETR's layout: what goes in comes out, and what is wrong is named."""

import json
from pathlib import Path

import pytest

from cris.data.annotations.invalid import InvalidRows
from cris.data.sources.hub import convert_hub
from tests.fixtures.family import grefs, make_family
from tests.fixtures.layouts import check_meant, images_of, sentences_of, stored, write_mdetr

FAMILY = make_family(36, seed=3)


@pytest.mark.parametrize("name", ["refcoco", "refcoco+", "refcocog"])
@pytest.mark.parametrize("has_masks", [True, False])
def test_sentences_of_mdetr_come_back(tmp_path: Path, name: str, has_masks: bool) -> None:
    folder = write_mdetr(tmp_path / "mdetr", FAMILY, FAMILY.refs, name, has_masks=has_masks)
    _, instances, images = FAMILY.write(tmp_path / "source")
    conversion = convert_hub(folder, images=images, instances=None if has_masks else instances)
    check_meant(stored(conversion, tmp_path / "out"), FAMILY, FAMILY.refs)
    assert "published 42," in str(conversion.sizes[0])


def test_mdetr_has_objects_of_none_one_and_several(tmp_path: Path) -> None:
    rows = grefs(FAMILY)
    folder = write_mdetr(tmp_path / "mdetr", FAMILY, rows, "grefcoco", has_masks=False)
    _, instances, images = FAMILY.write(tmp_path / "source")
    records = list(convert_hub(folder, images=images, instances=instances).images(0))
    found = {(r.picture_id, s, e.object_ids) for r in records for e in r.entries for s in e.sentences}
    expected = {
        (ref["image_id"], sentence, tuple(each for each in ref["ann_id"] if each != -1))
        for ref in rows
        for sentence in sentences_of(ref)
    }
    assert found == expected


def test_mdetr_without_masks_asks_for_them(tmp_path: Path) -> None:
    folder = write_mdetr(tmp_path / "mdetr", FAMILY, FAMILY.refs, "refcoco", has_masks=False)
    with pytest.raises(ValueError, match="segmentation is missing: pass --instances"):
        convert_hub(folder, images=images_of(FAMILY, tmp_path / "source"))


def test_mdetr_of_two_data_sets_is_refused(tmp_path: Path) -> None:
    for name in ("refcoco", "refcoco+"):
        write_mdetr(tmp_path / "mdetr", FAMILY, FAMILY.refs, name, has_masks=True)
    with pytest.raises(ValueError, match=r"must be of one data set, got refcoco, refcoco\+"):
        convert_hub(tmp_path / "mdetr", images=images_of(FAMILY, tmp_path / "source"))


def test_a_skipped_box_takes_its_sentence_along(tmp_path: Path) -> None:
    folder = write_mdetr(tmp_path / "mdetr", FAMILY, FAMILY.refs, "refcoco", has_masks=True)
    images = images_of(FAMILY, tmp_path / "source")
    whole = sum(
        len(entry.sentences)
        for record in convert_hub(folder, images=images).images(0)
        for entry in record.entries
    )
    path = folder / "finetune_refcoco_train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["original_id"] = 2**70
    path.write_text(json.dumps(content))
    invalid = InvalidRows(is_skipping=True)
    records = convert_hub(folder, images=images, invalid=invalid).images(0)
    assert sum(len(entry.sentences) for record in records for entry in record.entries) == whole - 1
    assert {kind: len(errors) for kind, errors in invalid.left_out.items()} == {"sentences": 1}
