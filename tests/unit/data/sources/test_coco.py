"""Your own pictures: what is read of them, and what bad input gets."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cris.data.expressions import Wishes
from cris.data.records import PictureRecord
from cris.data.sources.coco import Deal, convert_coco
from cris.data.sources.splits import split_pictures
from cris.masks import decode_rle

HEIGHT, WIDTH = 60, 80


def box(left: int, top: int, width: int, height: int) -> list[list[int]]:
    """A polygon round a rectangle."""
    return [[left, top, left + width, top, left + width, top + height, left, top + height]]


@pytest.fixture
def content() -> dict[str, Any]:
    """Ten pictures: two dogs side by side, one tree."""
    annotations = []
    for picture in range(10):
        for number, (category, polygon) in enumerate(
            ((1, box(5, 10, 20, 20)), (1, box(50, 10, 20, 20)), (2, box(30, 40, 15, 15)))
        ):
            left, top, right, _, _, bottom = polygon[0][:6]
            annotations.append(
                {
                    "id": 100 * picture + number,
                    "image_id": picture,
                    "category_id": category,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                    "segmentation": polygon,
                }
            )
    return {
        "images": [
            {"id": each, "file_name": f"{each}.png", "height": HEIGHT, "width": WIDTH} for each in range(10)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "small_tree"}],
    }


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        pixels = np.full((HEIGHT, WIDTH, 3), number, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def converted(content: dict[str, Any], images: Path, start: int = 0, **options: Any) -> list[PictureRecord]:
    instances = images.parent / "instances.json"
    instances.write_text(json.dumps(content))
    return list(convert_coco(instances, images, **options).pictures(start))


def test_sentences_are_made_of_annotations_alone(content, images):
    records = converted(content, images)
    assert [record.picture_id for record in records] == list(range(10))
    said = {entry.object_ids: entry.sentences for entry in records[0].entries}
    assert {(0,), (1,), (2,)} == said.keys()
    assert any("left" in sentence for sentence in said[(0,)])
    assert any("small tree" in sentence for sentence in said[(2,)])
    assert records[0].image == (images / "0.png").read_bytes()
    assert decode_rle(records[0].objects[0].rle).sum() == 400


def test_made_sentences_are_the_same_each_time_and_from_any_start(content, images):
    whole = converted(content, images)
    assert converted(content, images) == whole
    assert converted(content, images, start=4) == whole[4:]
    assert converted(content, images, wishes=Wishes(seed=1)) != whole


def test_pictures_of_which_nothing_can_be_said_stay_away(content, images):
    for annotation in content["annotations"][:3]:
        annotation["iscrowd"] = 1
    assert [record.picture_id for record in converted(content, images)] == list(range(1, 10))


def test_plural_and_no_target_come_when_asked_for(content, images):
    wishes = Wishes(is_plural_wanted=True, is_no_target_wanted=True)
    entries = {
        entry.object_ids: entry.sentences for entry in converted(content, images, wishes=wishes)[0].entries
    }
    assert entries[(0, 1)][0] in ("both dogs", "the two dogs")
    assert "third dog from the" in entries[()][0]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_own_sentences_mean_what_they_name(content, images, suffix):
    path = images.parent / f"sentences{suffix}"
    rows = [("0.png", [0], 'the "old" dog, left'), ("0.png", [0], "dog"), ("1.png", [100, 101], "dogs")]
    rows += [("1.png", [], "a cat"), ("2.png", [202], "Baum ä")]
    if suffix == ".csv":
        lines = ["image,annotation_id,sentence"]
        for image, ids, sentence in rows:
            quoted = sentence.replace('"', '""')
            lines.append(f'{image},{" ".join(map(str, ids))},"{quoted}"')
    else:
        lines = [
            json.dumps(
                {"image": image, "annotation_id": ids[0] if len(ids) == 1 else ids, "sentence": sentence}
            )
            for image, ids, sentence in rows
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    records = converted(content, images, sentences=path)
    said = [(r.file_name, e.object_ids, e.sentences) for r in records for e in r.entries]
    assert said == [
        ("0.png", (0,), ('the "old" dog, left', "dog")),
        ("1.png", (100, 101), ("dogs",)),
        ("1.png", (), ("a cat",)),
        ("2.png", (202,), ("Baum ä",)),
    ]


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (
            '{"image": "0.png", "annotation_id": 7777, "sentence": "dog"}',
            "row 2: annotation_id 7777 is no ann",
        ),
        ('{"image": "0.png", "annotation_id": 101, "sentence": "dog"}', "annotation_id 101 must be in 0.png"),
        ('{"image": "9.jpg", "annotation_id": 1, "sentence": "dog"}', "row 2: image '9.jpg' is no file_name"),
        ('{"image": "0.png", "annotation_id": "1", "sentence": "dog"}', "row 2: annotation_id must be"),
        ('{"image": "0.png", "annotation_id": 1, "sentence": "?!"}', "row 2: sentence must be words"),
        ('{"image": "0.png", "sentence": "dog"}', "row 2: annotation_id is missing"),
        ('{"image": "0.png", ', "row 2 is not JSON"),
    ],
)
def test_bad_rows_of_sentences_are_named(content, images, row, error):
    path = images.parent / "sentences.jsonl"
    path.write_text('{"image": "0.png", "annotation_id": 0, "sentence": "dog"}\n' + row)
    with pytest.raises(ValueError, match=error) as caught:
        converted(content, images, sentences=path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("s.csv", "image,id,sentence\n0.png,0,dog\n", "row 1 must name .* annotation_id is missing"),
        ("s.csv", "image,annotation_id,sentence\n0.png,x,dog\n", "row 2: annotation_id must be"),
        ("s.csv", "image,annotation_id,sentence\n", "has no sentences"),
        ("s.txt", "dog", "must end in .jsonl or .csv"),
    ],
)
def test_bad_files_of_sentences_are_refused(content, images, name, text, error):
    path = images.parent / name
    path.write_text(text)
    with pytest.raises(ValueError, match=error):
        converted(content, images, sentences=path)


@pytest.mark.parametrize(
    ("said", "annotated"),
    [
        ("all", None),
        (None, None),
        ("dog", ("dog",)),
        (["dog", "small_tree"], ("dog", "small_tree")),
        ([], ()),
    ],
)
def test_how_far_an_image_is_annotated_is_kept(content, images, said, annotated):
    path = images.parent / "sentences.jsonl"
    path.write_text('{"image": "1.png", "annotation_id": 100, "sentence": "left dog"}')
    (record,) = converted(change(content, "images", 1, "annotated", said), images, sentences=path)
    assert record.annotated == annotated


def change(content: dict[str, Any], what: str, number: int, name: str, value: object) -> dict[str, Any]:
    content[what][number][name] = value
    return content


@pytest.mark.parametrize(
    ("what", "name", "value", "error"),
    [
        ("annotations", "id", 0, "id 0 is there twice"),
        ("images", "id", 0, "picture id 0 is there twice"),
        ("annotations", "bbox", [1, 2, float("nan"), 4], "annotations row 5: bbox must be"),
        ("annotations", "image_id", 88, "image_id 88 is no picture"),
        ("annotations", "segmentation", [[1, 2, 3, 4]], "annotations row 5: .*three points"),
        ("annotations", "segmentation", [], "annotations row 5: .*empty list"),
        (
            "annotations",
            "segmentation",
            {"size": [5, 5], "counts": "abc"},
            r"annotations row 5: .*\[60, 80\]",
        ),
        ("annotations", "segmentation", {"size": [60, 80], "counts": [5]}, "annotations row 5: .*add up"),
        ("images", "file_name", "0.png", "file_name '0.png' is that of pictures 0 and 5"),
        ("images", "file_name", "../0.png", r"\.\."),
        ("images", "annotated", "cat", "images row 5: annotated must be .*got 'cat'"),
        ("images", "annotated", [1], "images row 5: annotated must be"),
        ("images", "file_name", "away.png", "1 of 10 pictures are missing: away.png; pass --skip-missing"),
    ],
)
def test_bad_annotations_are_named(content, images, what, name, value, error):
    with pytest.raises(ValueError, match=error):
        converted(change(content, what, 5, name, value), images)


def test_missing_pictures_may_be_skipped(content, images):
    (images / "3.png").unlink()
    records = converted(content, images, is_skipping_missing=True)
    assert [record.picture_id for record in records] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_pictures_of_another_size_or_damaged_are_refused(content, images):
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(images / "3.png")
    with pytest.raises(ValueError, match=r"3\.png: picture must have the annotated height and width 60×80"):
        converted(content, images)
    (images / "3.png").write_bytes((images / "4.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"3\.png: damaged"):
        converted(content, images)


def test_pictures_are_dealt_by_shares_and_seed(content, images):
    records = converted(content, images, deal=Deal(shares=(0.6, 0.3, 0.1), seed=4))
    splits = [{entry.split for entry in record.entries} for record in records]
    assert all(len(each) == 1 for each in splits)
    flat = [split for each in splits for split in each]
    assert [flat.count(split) for split in ("train", "val", "test")] == [6, 3, 1]
    dealt = split_pictures(range(1000), (0.8, 0.1, 0.1), seed=1)
    assert dealt != split_pictures(range(1000), (0.8, 0.1, 0.1), seed=2)
    assert dealt == split_pictures(reversed(range(1000)), (0.8, 0.1, 0.1), seed=1)


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_shares_must_add_up(shares):
    with pytest.raises(ValueError, match="must add up to 1"):
        split_pictures([1, 2], shares, 0)


def test_a_turned_picture_has_its_size_once_upright(content, images):
    stored, buffer = Image.new("RGB", (HEIGHT, WIDTH)), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(buffer, "PNG", exif=exif)
    (images / "3.png").write_bytes(buffer.getvalue())
    assert converted(content, images)[3].image == buffer.getvalue()
