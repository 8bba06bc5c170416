import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from cris.conversions import (
    label_studio_regions,
    label_studio_rle,
    outlines_of,
    to_coco,
    to_detections,
    to_label_studio,
    to_yolo,
)
from cris.letterbox import Letterbox
from cris.masks import decode_rle
from cris.model.output import ModelOutput
from cris.prediction import Prediction
from tests.fixtures.label_studio import drawn, read_brush, within_a_pixel

IMAGE = np.random.default_rng(0).integers(60, 200, (80, 120, 3), dtype=np.uint8)


def predicted(sentence: str, *, is_found: bool = True, shape: tuple[int, int] = (80, 120)) -> Prediction:
    logits = np.full((16, 16), -6.0, dtype=np.float32)
    if is_found:
        logits[5:9, 3:10] = 6.0
    return Prediction.from_output(
        ModelOutput(logits[None]),
        sentence=sentence,
        image=np.zeros((*shape, 3), dtype=np.uint8) if shape != (80, 120) else IMAGE,
        letterbox=Letterbox(*shape, 64, "default"),
        threshold=0.5,
    )


def test_supervision_gets_what_was_found():
    box, nothing, circle = predicted("the box"), predicted("nothing", is_found=False), predicted("the circle")
    detections = to_detections([box, nothing, circle])
    assert len(detections) == 2
    assert detections.xyxy.tolist() == [list(box.box)] * 2
    np.testing.assert_array_equal(detections.mask[1], circle.mask)
    assert detections.class_id.tolist() == [0, 2]
    assert detections["class_name"].tolist() == ["the box", "the circle"]
    np.testing.assert_allclose(detections.confidence, [box.score, circle.score], rtol=1e-6)
    assert detections.area.tolist() == [box.mask.sum()] * 2


def test_supervision_draws_what_it_gets():
    import supervision

    drawn = supervision.MaskAnnotator().annotate(IMAGE.copy(), predicted("the box").to_detections())
    changed = (drawn != IMAGE).any(axis=2)
    assert changed.any()
    assert not (changed & ~predicted("the box").mask).any()


def test_nothing_found_is_no_detection():
    assert len(predicted("nothing", is_found=False).to_detections()) == 0


def test_missing_supervision_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    with pytest.raises(ValueError, match="pip install supervision"):
        predicted("the box").to_detections()


def test_predictions_of_different_images_are_refused():
    both = [predicted("the box"), predicted("the box", shape=(90, 60))]
    for convert in (
        to_detections,
        lambda each: to_coco([("a.jpg", each)]),
        lambda each: to_label_studio("", each),
    ):
        with pytest.raises(ValueError, match="one image"):
            convert(both)


def test_coco_document_is_read_back_with_the_same_masks(tmp_path):
    first = [predicted("the box"), predicted("nothing", is_found=False)]
    second = [predicted("the box", shape=(90, 60))]
    document = to_coco([("a.jpg", first), ("b.jpg", second), ("c.jpg", [])])
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(document))
    coco = COCO(path)
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a.jpg", "b.jpg"]
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["the box", "nothing"]
    for annotation, prediction in zip(coco.loadAnns(coco.getAnnIds()), (first[0], second[0]), strict=True):
        np.testing.assert_array_equal(coco.annToMask(annotation), prediction.mask)
        np.testing.assert_array_equal(decode_rle(annotation["segmentation"]), prediction.mask)
        left, top, width, height = annotation["bbox"]
        assert (left, top, left + width, top + height) == prediction.box
        assert annotation["area"] == prediction.mask.sum()


def two_dogs() -> Prediction:
    mask = np.zeros((80, 120), dtype=bool)
    mask[10:30, 5:25] = mask[40:70, 60:110] = True
    mask[0, 119] = True  # a speck
    return replace(predicted("the two dogs"), mask=mask)


def test_parts_are_the_regions_from_the_largest_on_without_specks():
    whole = two_dogs()
    parts = whole.parts()
    assert [part.box for part in parts] == [(60, 40, 110, 70), (5, 10, 25, 30)]
    assert [part.area for part in parts] == [part.mask.sum() for part in parts] == [1500, 400]
    assert {part.sentence for part in parts} == {"the two dogs"}
    assert {part.score for part in parts} == {whole.score}
    assert not (parts[0].mask & parts[1].mask).any()


def test_the_least_area_of_a_part_can_be_chosen():
    whole = two_dogs()
    assert np.array_equal(np.any([part.mask for part in whole.parts(0)], axis=0), whole.mask)
    assert [part.area for part in whole.parts(401)] == [1500]
    assert whole.parts(2000) == []
    with pytest.raises(ValueError, match="min_area must be 0 pixels or more, got -1"):
        whole.parts(-1)


def test_nothing_has_no_parts_and_pixels_that_touch_at_a_corner_are_one():
    whole = two_dogs()
    assert replace(whole, mask=np.zeros_like(whole.mask)).parts() == []
    assert [part.area for part in replace(whole, mask=np.eye(80, 120, dtype=bool)).parts()] == [80]


def test_two_things_of_one_sentence_are_two_detections_annotations_and_regions():
    found = [predicted("the box"), two_dogs()]
    detections = to_detections(found, parts=True)
    assert detections.class_id.tolist() == [0, 1, 1]
    assert detections.xyxy.tolist()[1:] == [[60, 40, 110, 70], [5, 10, 25, 30]]
    assert len(two_dogs().to_detections(parts=True)) == 2
    document = to_coco([("a.jpg", found)], parts=True)
    assert [each["category_id"] for each in document["annotations"]] == [1, 2, 2]
    assert [each["area"] for each in document["annotations"]][1:] == [1500, 400]
    regions = to_label_studio("a.jpg", found, parts=True)["predictions"][0]["result"]
    assert [each["value"]["brushlabels"] for each in regions] == [["the box"], *[["the two dogs"]] * 2]
    assert len({each["id"] for each in regions}) == 3
    assert len(two_dogs().to_label_studio("a.jpg", parts=True)["predictions"][0]["result"]) == 2


def test_predictions_may_come_one_by_one_and_a_mask_twice():
    found = [predicted("the box"), predicted("the box"), predicted("the cup", is_found=False)]
    assert len(to_detections(iter(found))) == 2
    assert to_yolo(iter(found)) == to_yolo(found) != ""
    assert to_coco(iter([("a.jpg", iter(found))])) == to_coco([("a.jpg", found)])
    task = to_label_studio("a.jpg", iter(found))
    assert task == to_label_studio("a.jpg", found)
    assert len({each["id"] for each in task["predictions"][0]["result"]}) == 2


@pytest.mark.parametrize(
    "mask",
    [
        predicted("the box").mask,
        np.zeros((3, 5), dtype=bool),
        np.ones((200, 300), dtype=bool),  # a run longer than 16 bits count
        np.random.default_rng(1).random((31, 17)) > 0.5,
        np.array([[True]]),
    ],
    ids=["box", "empty", "full", "noise", "one pixel"],
)
def test_label_studio_reads_the_same_mask(mask):
    pixels = read_brush(label_studio_rle(mask)).reshape(*mask.shape, 4)
    for channel in range(4):
        np.testing.assert_array_equal(pixels[..., channel], 255 * mask)


def test_label_studio_task_is_of_json_with_a_region_for_each_thing_found():
    found = [predicted("the box"), predicted("nothing", is_found=False), predicted("the circle")]
    task = json.loads(json.dumps(to_label_studio("https://here/a.jpg", found)))
    assert task["data"] == {"image": "https://here/a.jpg"}
    (prediction,) = task["predictions"]
    regions = prediction["result"]
    assert [region["value"]["brushlabels"] for region in regions] == [["the box"], ["the circle"]]
    assert len({region["id"] for region in regions}) == 2
    assert {(region["original_width"], region["original_height"]) for region in regions} == {(120, 80)}
    assert found[0].to_label_studio("https://here/a.jpg")["predictions"][0]["result"] == regions[:1]


def test_outlines_go_around_each_part():
    mask = np.zeros((20, 30), dtype=bool)
    mask[2:6, 3:9] = True
    mask[10, 20] = True
    single, square = sorted(outlines_of(mask), key=len)
    assert single.tolist() == [[20, 10]]
    assert sorted(map(tuple, square.tolist())) == [(3, 2), (3, 5), (8, 2), (8, 5)]
    assert predicted("nothing", is_found=False).polygons() == []


def test_notebooks_show_the_overlay_made_smaller():
    import io

    prediction = predicted("the box")
    shown = Image.open(io.BytesIO(prediction._repr_png_()))
    assert shown.size == (120, 80)
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(prediction.overlay()))
    large = Image.open(io.BytesIO(predicted("the box", shape=(1000, 2000))._repr_png_()))
    assert large.size == (800, 400)


def test_yolo_has_a_line_for_each_part_with_corners_as_shares() -> None:
    mask = np.zeros((10, 20), dtype=bool)
    mask[2:5, 4:9] = True
    mask[7:9, 12:18] = True
    mask[0, 0] = True  # a part without area has no outline to train on
    nothing = predicted("x", is_found=False, shape=(10, 20))
    lines = to_yolo([nothing, replace(nothing, mask=mask)]).splitlines()
    assert len(lines) == 2
    drawn = np.zeros((10, 20), dtype=np.uint8)
    for line in lines:
        number, *shares = line.split()
        assert number == "1"
        corners = np.array(shares, dtype=float).reshape(-1, 2) * (20, 10) - 0.5
        cv2.fillPoly(drawn, [corners.round().astype(np.int32)], 1)
    mask[0, 0] = False
    np.testing.assert_array_equal(drawn > 0, mask)


@pytest.mark.parametrize("seed", range(20))
def test_label_studio_s_polygons_are_the_mask_within_a_pixel_with_its_holes_filled(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(5, 200, 2).tolist()
    noise = cv2.GaussianBlur(rng.random((height, width)), (0, 0), float(rng.uniform(1, 8)))
    mask = noise > np.quantile(noise, rng.uniform(0.3, 0.95))
    regions = label_studio_regions(mask, "it", score=0.5, key=["a"], kind="polygonlabels")
    filled = np.zeros((height, width), dtype=np.uint8)
    cv2.drawContours(filled, outlines_of(mask), -1, 1, cv2.FILLED)
    assert within_a_pixel(np.any([drawn(region) for region in regions], axis=0), filled > 0)
    assert len({region["id"] for region in regions}) == len(regions)
    points = np.concatenate([region["value"]["points"] for region in regions])
    assert 0 <= points.min() <= points.max() <= 100
    assert sum(len(region["value"]["points"]) for region in regions) <= sum(map(len, outlines_of(mask)))


@pytest.mark.parametrize("kind", ["brushlabels", "polygonlabels"])
def test_label_studio_has_no_region_of_nothing(kind) -> None:
    nothing = np.zeros((4, 5), dtype=bool)
    assert label_studio_regions(nothing, "it", score=0.0, key=[], kind=kind) == []
