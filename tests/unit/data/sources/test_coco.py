"""Your own images: what is read of them, and what bad input gets."""

import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cris.data.annotations.invalid import InvalidRows
from cris.data.expressions import Wishes
from cris.data.records import ImageRecord
from cris.data.sources.coco import SplitConfig, convert_coco
from cris.data.sources.splits import empty_splits, split_images
from cris.masks import decode_rle

HEIGHT, WIDTH = 60, 80


def box(left: int, top: int, width: int, height: int) -> list[list[int]]:
    """A polygon round a rectangle."""
    return [[left, top, left + width, top, left + width, top + height, left, top + height]]


@pytest.fixture
def content() -> dict[str, Any]:
    """Ten images: two dogs side by side, one tree."""
    annotations = []
    for image in range(10):
        for number, (category, polygon) in enumerate(
            ((1, box(5, 10, 20, 20)), (1, box(50, 10, 20, 20)), (2, box(30, 40, 15, 15)))
        ):
            left, top, right, _, _, bottom = polygon[0][:6]
            annotations.append(
                {
                    "id": 100 * image + number,
                    "image_id": image,
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


def converted(content: dict[str, Any], images: Path, start: int = 0, **options: Any) -> list[ImageRecord]:
    instances = images.parent / "instances.json"
    instances.write_text(json.dumps(content))
    return list(convert_coco(instances, images, **options).images(start))


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


def test_images_of_which_nothing_can_be_said_stay_away(content, images):
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
        ("images", "id", 0, "image id 0 is there twice"),
        ("annotations", "bbox", [1, 2, float("nan"), 4], "annotations row 5: bbox must be"),
        ("annotations", "image_id", 88, "image_id 88 is no image"),
        ("annotations", "segmentation", [[1, 2, 3, 4]], "annotations row 5: .*three points"),
        ("annotations", "segmentation", [], "annotations row 5: .*empty list"),
        (
            "annotations",
            "segmentation",
            {"size": [5, 5], "counts": "abc"},
            r"annotations row 5: .*\[60, 80\]",
        ),
        ("annotations", "segmentation", {"size": [60, 80], "counts": [5]}, "annotations row 5: .*add up"),
        ("images", "file_name", "0.png", "file_name '0.png' is that of images 0 and 5"),
        ("images", "file_name", "../0.png", r"\.\."),
        ("images", "annotated", "cat", "images row 5: annotated must be .*got 'cat'"),
        ("images", "annotated", [1], "images row 5: annotated must be"),
        ("annotations", "id", 2**63, "annotations row 5: id must be a whole number of at most 64 bits"),
        ("images", "id", 2**64, "images row 5: id must be a whole number of at most 64 bits"),
        ("annotations", "segmentation", box(90, 20, 5, 5), "annotations row 5: .*must lie in the image"),
        ("annotations", "segmentation", box(0, 0, 1, 1), "annotations row 5: .*in pixels, got .* 0 to 1"),
        ("images", "file_name", "away.png", "1 of 10 images are missing: away.png; pass --skip-missing"),
    ],
)
def test_bad_annotations_are_named(content, images, what, name, value, error):
    with pytest.raises(ValueError, match=error):
        converted(change(content, what, 5, name, value), images)


def test_missing_images_may_be_skipped(content, images):
    (images / "3.png").unlink()
    records = converted(content, images, is_skipping_missing=True)
    assert [record.picture_id for record in records] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_images_of_another_size_or_damaged_are_refused(content, images):
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(images / "3.png")
    with pytest.raises(ValueError, match=r"3\.png: image must have the annotated height and width 60×80"):
        converted(content, images)
    (images / "3.png").write_bytes((images / "4.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"3\.png: damaged"):
        converted(content, images)


def test_images_are_dealt_by_shares_and_seed(content, images):
    records = converted(content, images, split_config=SplitConfig(shares=(0.6, 0.3, 0.1), seed=4))
    splits = [{entry.split for entry in record.entries} for record in records]
    assert all(len(each) == 1 for each in splits)
    flat = [split for each in splits for split in each]
    assert [flat.count(split) for split in ("train", "val", "test")] == [6, 3, 1]
    dealt = split_images(range(1000), (0.8, 0.1, 0.1), seed=1)
    assert dealt != split_images(range(1000), (0.8, 0.1, 0.1), seed=2)
    assert dealt == split_images(reversed(range(1000)), (0.8, 0.1, 0.1), seed=1)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (5, [3, 1, 1]), (7, [5, 1, 1])]
)
def test_few_images_come_to_every_split(count, sizes):
    dealt = list(split_images(range(count), (0.8, 0.1, 0.1), seed=0).values())
    assert [dealt.count(split) for split in ("train", "val", "test")] == sizes
    assert empty_splits(dealt, (0.8, 0.1, 0.1)) == [
        split for split, size in zip(("train", "val", "test"), sizes, strict=True) if not size
    ]


@pytest.mark.parametrize("count", [8, 9, 10, 15, 25, 333, 1000])
def test_each_split_has_its_share_to_the_nearest_image(count):
    dealt = list(split_images(range(count), (0.8, 0.1, 0.1), seed=0).values())
    for split, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert abs(dealt.count(split) - share * count) < 1


def test_a_split_without_a_share_stays_empty():
    assert set(split_images(range(3), (1.0, 0.0, 0.0), seed=0).values()) == {"train"}
    assert empty_splits({"train"}, (1.0, 0.0, 0.0)) == []


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_shares_must_add_up(shares):
    with pytest.raises(ValueError, match="must add up to 1"):
        split_images([1, 2], shares, 0)


def test_a_turned_image_has_its_size_once_upright(content, images):
    stored, buffer = Image.new("RGB", (HEIGHT, WIDTH)), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(buffer, "PNG", exif=exif)
    (images / "3.png").write_bytes(buffer.getvalue())
    assert converted(content, images)[3].image == buffer.getvalue()


SAID = [
    ("0.png", 0, "left dog"),
    ("1.png", 100, "left dog"),
    ("1.png", 101, "right dog"),
    ("2.png", 202, "tree"),
]


def write_said(images: Path, rows: list[tuple[str, Any, str]] = SAID) -> Path:
    """A file of sentences, beside the images."""
    path = images.parent / "sentences.jsonl"
    names = ("image", "annotation_id", "sentence")
    path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows))
    return path


def told(records: list[ImageRecord]) -> list[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    return [(each.file_name, entry.object_ids, entry.sentences) for each in records for entry in each.entries]


@pytest.mark.parametrize(
    "segmentation", [[], [[1, 2, 3, 4]], box(90, 20, 5, 5), {"size": [60, 80], "counts": [5]}]
)
def test_an_object_that_no_sentence_is_about_is_left_out_and_counted(content, images, segmentation):
    change(content, "annotations", 1, "segmentation", segmentation)
    invalid = InvalidRows()
    first, *_ = converted(content, images, sentences=write_said(images), invalid=invalid)
    assert {each.id for each in first.objects} == {0, 2}
    assert first.annotated == ("small_tree",)  # another dog is there, though nobody knows where
    (error,) = invalid.left_out["annotations"]
    assert "annotations row 1: segmentation" in error


def test_left_out_objects_are_counted_by_a_resumed_run_too(content, images):
    change(content, "annotations", 1, "segmentation", [])
    invalid = InvalidRows()
    records = converted(content, images, start=1, sentences=write_said(images), invalid=invalid)
    assert [record.file_name for record in records] == ["1.png", "2.png"]
    assert len(invalid.left_out["annotations"]) == 1


def test_stray_clicks_are_left_out_and_counted(content, images):
    change(content, "annotations", 0, "segmentation", [*box(5, 10, 20, 20), [3, 4], []])
    invalid = InvalidRows()
    records = converted(content, images, sentences=write_said(images), invalid=invalid)
    assert decode_rle(records[0].objects[0].rle).sum() == 400
    assert len(invalid.left_out["polygons"]) == 2
    assert "annotations row 0: polygon 1 has fewer than three points" in invalid.left_out["polygons"][0]


@pytest.mark.parametrize(
    "segmentation",
    [
        [[10, 10, 20, 10, 30, 10]],  # a line
        [[10.1, 10.1, 10.2, 10.1, 10.2, 10.2]],  # a part of a pixel
        {"size": [60, 80], "counts": [4800]},
    ],
)
def test_a_sentence_about_an_object_without_a_pixel_is_refused(content, images, segmentation):
    change(content, "annotations", 0, "segmentation", segmentation)
    with pytest.raises(ValueError, match=r"annotations row 0: .* at least one pixel.*; pass --skip-invalid"):
        converted(content, images, sentences=write_said(images))


def test_skipped_objects_take_their_sentences_along(content, images):
    change(content, "annotations", 3, "segmentation", box(90, 20, 5, 5))
    invalid = InvalidRows(is_skipping=True)
    records = converted(content, images, sentences=write_said(images), invalid=invalid)
    assert told(records) == [
        ("0.png", (0,), ("left dog",)),
        ("1.png", (101,), ("right dog",)),
        ("2.png", (202,), ("tree",)),
    ]
    assert {kind: len(errors) for kind, errors in invalid.left_out.items()} == {
        "annotations": 1,
        "sentences": 1,
    }
    (lost,) = invalid.left_out["sentences"]
    assert "'left dog' of reference 1 is about an object of 1.png, which is left out" in lost


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (("0.png", 7777, "dog"), "annotation_id 7777 is no annotation"),
        (("nowhere.png", 0, "dog"), "image 'nowhere.png' is no file_name"),
        (("0.png", 0, "?!"), "sentence must be words"),
    ],
)
def test_skipped_sentences_leave_the_others(content, images, row, error):
    path = write_said(images, [row, *SAID])
    whole = converted(content, images, sentences=write_said(images))
    path = write_said(images, [row, *SAID])
    invalid = InvalidRows(is_skipping=True)
    assert told(converted(content, images, sentences=path, invalid=invalid)) == told(whole)
    assert error in invalid.left_out["sentences"][0]
    with pytest.raises(ValueError, match=f"row 1: .*{error}.*; pass --skip-invalid"):
        converted(content, images, sentences=path)


def test_where_every_sentence_is_skipped_the_first_error_is_told(content, images):
    path = write_said(images, [("0.png", 7777, "dog")])
    with pytest.raises(ValueError, match=r"no sentences that are valid: .*annotation_id 7777"):
        converted(content, images, sentences=path, invalid=InvalidRows(is_skipping=True))


def test_skipped_images_take_their_sentences_along_from_any_start(content, images):
    (images / "1.png").write_bytes(b"no image")
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(images / "3.png")
    path = write_said(images, [*SAID, ("3.png", 300, "left dog")])
    for start, names in ((0, ["0.png", "2.png"]), (1, ["2.png"])):
        invalid = InvalidRows(is_skipping=True)
        records = converted(content, images, start=start, sentences=path, invalid=invalid)
        assert [record.file_name for record in records] == names
        counts = {kind: len(errors) for kind, errors in invalid.left_out.items()}
        assert counts == {"images": 2, "sentences": 3}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("segmentation", box(90, 20, 5, 5), {"small_tree"}),  # the other dog is not the only one
        ("bbox", [1, 2], set()),  # nobody knows what it is
        ("id", 2**70, set()),
    ],
)
def test_nothing_is_said_of_what_a_skipped_annotation_may_be(content, images, name, value, kept):
    change(content, "annotations", 4, name, value)  # one of two dogs
    invalid = InvalidRows(is_skipping=True)
    records = {each.picture_id: each for each in converted(content, images, invalid=invalid)}
    assert len(invalid.left_out["annotations"]) == 1
    said = {object_id for entry in records[1].entries for object_id in entry.object_ids} if kept else set()
    assert said == ({102} if kept else set())
    assert (1 in records) == bool(kept)
    assert len(records) == (10 if kept else 9)


def test_a_skipped_image_takes_its_annotations_along(content, images):
    change(content, "images", 5, "height", 0)
    invalid = InvalidRows(is_skipping=True)
    assert len(converted(content, images, invalid=invalid)) == 9
    assert {kind: len(errors) for kind, errors in invalid.left_out.items()} == {"images": 1, "annotations": 3}


def test_names_may_be_written_with_other_slashes_and_accents(content, images):
    (images / "sub").mkdir()
    composed = "Übung.png"
    (images / "0.png").rename(images / "sub" / unicodedata.normalize("NFD", composed))
    change(content, "images", 0, "file_name", f"sub\\{composed}")
    path = write_said(images, [(f"sub/{unicodedata.normalize('NFD', composed)}", 0, "left dog")])
    assert told(converted(content, images, sentences=path)) == [(f"sub\\{composed}", (0,), ("left dog",))]


def test_one_name_in_two_writings_is_one_file(content, images):
    change(content, "images", 0, "file_name", "sub/é.png")
    change(content, "images", 1, "file_name", unicodedata.normalize("NFD", "sub\\é.png"))
    with pytest.raises(ValueError, match="is that of images 0 and 1"):
        converted(content, images)


def test_where_no_image_is_found_one_that_is_there_is_named(content, images):
    images.rename(images.parent / "pics")
    images.mkdir()
    (images.parent / "pics").rename(images / "pics")
    expected = r"none of the 10 images is there: --images must have 0\.png right inside, it has pics/0\.png"
    with pytest.raises(ValueError, match=expected):
        converted(content, images)


@pytest.mark.parametrize("text", ["0.png,0.0,left dog\n1.png,100.0 101.0,dogs\n2.png,,a cat\n"])
def test_ids_may_be_written_as_pandas_does(content, images, text):
    path = images.parent / "sentences.csv"
    path.write_text("image,annotation_id,sentence\n" + text)
    assert [ids for _, ids, _ in told(converted(content, images, sentences=path))] == [(0,), (100, 101), ()]
    path = write_said(
        images, [("0.png", 0.0, "left dog"), ("1.png", [100.0, 101], "dogs"), ("2.png", [], "cat")]
    )
    assert [ids for _, ids, _ in told(converted(content, images, sentences=path))] == [(0,), (100, 101), ()]


@pytest.mark.parametrize("cell", ["0.5", "1e2", "0x1", "nan", str(2**64)])
def test_ids_that_are_none_are_refused(content, images, cell):
    path = images.parent / "sentences.csv"
    path.write_text(f"image,annotation_id,sentence\n0.png,{cell},left dog\n")
    with pytest.raises(ValueError, match="row 2: annotation_id must be"):
        converted(content, images, sentences=path)


def test_a_sentence_with_an_unquoted_comma_is_not_cut(content, images):
    path = images.parent / "sentences.csv"
    path.write_text("image,annotation_id,sentence\n0.png,0,the dog, left\n1.png,100,left dog\n")
    with pytest.raises(ValueError, match=r"row 2 must have 3 fields .* got 4: put a sentence"):
        converted(content, images, sentences=path)
    invalid = InvalidRows(is_skipping=True)
    assert told(converted(content, images, sentences=path, invalid=invalid)) == [
        ("1.png", (100,), ("left dog",))
    ]
    assert len(invalid.left_out["sentences"]) == 1
