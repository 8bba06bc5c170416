"""Real photographs go through a Segmenter, and masks come at their own size."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from cris.letterbox import ceiling
from cris.masks import decode_rle
from tests.unit.test_segmenter import segmenter


@pytest.fixture(scope="module")
def instances(shared_real: Path) -> dict:
    return json.loads((shared_real / "instances.json").read_text())


def test_photographs_get_masks_at_their_own_size(prove, shared_real):
    paths = sorted((shared_real / "images").iterdir())
    paths = paths[: prove.count(full=len(paths), quick=10)]
    answers = segmenter().predict_batch(paths, [["the red ring", "left dog"]] * len(paths))
    for path, predictions in zip(paths, answers, strict=True):
        with Image.open(path) as image:
            assert [one.mask.shape for one in predictions] == [image.size[::-1]] * 2
            assert predictions[0].overlay().size == image.size
    prove.figure("real photographs through a Segmenter", len(paths))


def instance_mask(annotation: dict, height: int, width: int) -> np.ndarray:
    drawn = annotation["segmentation"]
    return decode_rle(
        coco.merge(coco.frPyObjects(drawn, height, width)) if isinstance(drawn, list) else drawn
    )


@pytest.mark.parametrize("size", [160, 416])
def test_the_default_geometry_is_at_least_as_good_as_the_released(prove, instances, size):
    """A network that is perfect on its grid reaches more with ours."""
    images = {image["id"]: image for image in instances["images"]}
    every = prove.count(full=1, quick=30)
    masks = [
        instance_mask(one, images[one["image_id"]]["height"], images[one["image_id"]]["width"])
        for one in instances["annotations"][::every]
    ]
    ours, released = (
        float(np.mean([ceiling(mask, size, protocol) for mask in masks]))
        for protocol in ("default", "released")
    )
    prove.figure(
        f"mean IoU ceiling on {len(masks)} real masks at {size}", f"{ours:.3f} (released {released:.3f})"
    )
    assert ours >= released
