import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from cris.letterbox import Letterbox
from cris.masks import decode_rle
from cris.serving.messages import Drawing, SegmentResult
from cris.serving.visualize import COLOURS_RGB, Findings, colour_of, overlay

HEIGHT, WIDTH = 60, 90


def findings(*sentences: str, height: int = HEIGHT, width: int = WIDTH) -> Findings:
    """On grey: the n-th sentence finds the n-th quarter from the left, surer towards the bottom."""
    letterbox = Letterbox(height, width, 96)
    grids = []
    for number in range(len(sentences)):
        grid = np.zeros((24, 24), dtype=np.float32)
        grid[:, 6 * number : 6 * number + 6] = np.linspace(0.3, 0.9, 24, dtype=np.float32)[:, None]
        grids.append(grid)
    preview = np.full((height, width, 3), 128, dtype=np.uint8)
    results = [{"sentence": sentence, "score": 0.75, "ambiguity": 0.25} for sentence in sentences]
    drawing = Drawing(preview=preview, grids=grids, letterbox=letterbox)
    answer = SegmentResult(width=width, height=height, results=results, is_cached=False, drawing=drawing)
    return Findings.of(answer, "street.png")


def drawn(found: Findings, threshold: float, opacity: float) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(found.draw(threshold, opacity)))).astype(int)


def test_a_mask_has_its_colour_and_the_rest_stays_as_it_is():
    found = findings("a", "b")
    pixels = drawn(found, 0.5, 1.0)
    first, second = found.masks(0.5, HEIGHT, WIDTH)
    assert (pixels[first & ~second] == COLOURS_RGB[0]).all(axis=1).mean() > 0.8
    assert (pixels[second & ~first] == COLOURS_RGB[1]).all(axis=1).mean() > 0.8
    assert (abs(pixels - 128).max(axis=2)[~(first | second)] < 5).mean() > 0.9


def test_opacity_0_leaves_the_outline():
    mask = np.zeros((50, 50), dtype=bool)
    mask[10:40, 10:40] = True
    grey = np.full((50, 50, 3), 128, dtype=np.uint8)
    pixels = overlay(grey, [mask], 0.0)
    assert (pixels[15:35, 15:35] == 128).all()
    assert not (pixels[10, 10:40] == 128).all()
    assert (grey == 128).all()


def test_a_lower_threshold_finds_more():
    found = findings("a")
    areas = [found.masks(threshold, HEIGHT, WIDTH)[0].sum() for threshold in (0.4, 0.5, 0.8, 0.95)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[2] > areas[3] == 0


def test_coco_holds_the_masks_at_the_images_own_size():
    found = findings("a", "b")
    coco = json.loads(found.coco(0.5))
    assert coco["images"] == [{"id": 1, "file_name": "street.png", "height": HEIGHT, "width": WIDTH}]
    assert [category["name"] for category in coco["categories"]] == ["a", "b"]
    for annotation, mask in zip(coco["annotations"], found.masks(0.5, HEIGHT, WIDTH), strict=True):
        assert np.array_equal(decode_rle(annotation["segmentation"]), mask)
        assert annotation["area"] == mask.sum()
    assert json.loads(found.coco(0.95))["annotations"] == []


def test_the_table_tells_each_sentence_and_escapes_it():
    table = findings("<script>alert(1)</script>", "b").table(0.5)
    assert "<script>" not in table
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in table
    assert table.count("<tr>") == 3
    nothing = findings("a").table(0.95)
    assert "nothing found" in nothing
    assert "<td>–</td>" in nothing  # no ambiguity beside it
    assert "0.25" in findings("a").table(0.5)


def test_the_table_tells_presence_where_the_model_does():
    assert "Present" not in findings("a").table(0.5)
    found = findings("a", "b")
    for result, present in zip(found.answer.results, (0.875, 0.0625), strict=True):
        result["present"] = present
    table = found.table(0.5)
    assert table.count("Present") == 1
    assert table.count("<td>") == 2 * 4
    assert "0.88" in table
    assert "0.06" in table


def test_the_zip_holds_a_mask_and_a_cut_out_of_each_that_is_found():
    found = findings("the cup!", "b", height=1000, width=2000)
    with zipfile.ZipFile(io.BytesIO(found.archive(0.5))) as archive:
        names = ["street-1-the-cup", "street-2-b"]
        assert archive.namelist() == [f"{n}.{kind}.png" for n in names for kind in ("mask", "cutout")]
        mask = np.asarray(Image.open(io.BytesIO(archive.read("street-1-the-cup.mask.png"))))
        cutout = np.asarray(Image.open(io.BytesIO(archive.read("street-1-the-cup.cutout.png"))))
    assert np.array_equal(mask > 0, found.masks(0.5, 1000, 2000)[0])
    assert cutout.shape == (1000, 2000, 4)
    assert np.array_equal(cutout[..., 3] > 0, mask > 0)
    with zipfile.ZipFile(io.BytesIO(found.archive(0.95))) as archive:
        assert archive.namelist() == []


def test_what_is_kept_of_a_large_image_is_small():
    found = findings("a", height=1000, width=1600)
    assert found.answer.drawing is not None
    assert found.answer.drawing.preview.nbytes < 100
    assert len(found.image) < 200_000
    assert drawn(found, 0.5, 0.5).shape == (1000, 1600, 3)


@pytest.mark.parametrize("number", [0, 7, 8, 100])
def test_colours_never_run_out(number):
    assert colour_of(number) == COLOURS_RGB[number % 8]
