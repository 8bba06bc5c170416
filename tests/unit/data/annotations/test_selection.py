"""What is left out or marked: lists of ids, reviews, blank sentences."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from cris.data.annotations.selection import Selection, read_drop_list, read_review
from cris.data.sources.conversion import Conversion
from cris.data.sources.refer import convert_refer
from tests.fixtures.family import Family, make_family

FAMILY = make_family()


def test_blank_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    family = copy.deepcopy(FAMILY)
    family.refs[0]["sentences"] = [{"sent": " ", "sent_id": 1}]
    family.refs[1]["sentences"].append({"sent": "", "sent_id": 2})
    conversion = convert_refer(*family.write(tmp_path))
    assert "2 blank sentences left out, and 1 references that had no others" in conversion.remarks
    kept = {entry.ref_id for record in conversion.images(0) for entry in record.entries}
    assert kept == {ref["ref_id"] for ref in family.refs[1:]}


def sentences(conversion: Conversion) -> dict[tuple[int, str], str]:
    """Image and sentence → split."""
    return {
        (record.picture_id, sentence): entry.split
        for record in conversion.images(0)
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


def test_a_list_drops_a_sentence_by_its_reference_and_text(tmp_path: Path) -> None:
    paths = FAMILY.write(tmp_path)
    several = next(ref for ref in FAMILY.refs if len(ref["sentences"]) > 1)
    text, number = several["sentences"][0]["sent"], several["ref_id"]
    path = tmp_path / "drop.json"
    path.write_text(
        json.dumps([f"said:{number}:{text}", f"said:{number}:{text} or so", f"said:77777:{text}"])
    )
    before = sentences(convert_refer(*paths))
    conversion = convert_refer(*paths, selection=Selection(dropped=read_drop_list(path)))
    assert sentences(conversion).keys() == before.keys() - {(several["image_id"], text)}
    assert any(
        remark.startswith("1 sentences of 0 references dropped by 1 ids") for remark in conversion.remarks
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
    list(conversion.images(0))


def test_a_review_without_quality_is_refused(tmp_path: Path) -> None:
    content = reviewed(FAMILY, set())
    del content["annotations"][4]["caption_quality"]
    path = tmp_path / "a_reviewed.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="annotations row 4: caption_quality is missing"):
        read_review([path])
    with pytest.raises(ValueError, match=r"has no files named …_reviewed\.json"):
        read_review([FAMILY.write(tmp_path / "b")[2]])
