"""What happens to the image happens to the masks, and the sentence stays true."""

from dataclasses import replace

import numpy as np
import pytest

from cris.data.dataset import View
from cris.data.loading.transforms import ColourJitter, CropAroundTargets, HorizontalFlip
from cris.masks import box_of


def view_of(*sentences, reduction=1):
    """An image whose red is lit where the first mask is."""
    masks = [np.zeros((60, 80), dtype=bool) for _ in range(2)]
    masks[0][20:40, 8:24] = True
    masks[1][40:50, 30:36] = True
    image = np.random.default_rng(0).integers(0, 200, (60, 80, 3), dtype=np.uint8)
    image[..., 0] = 200 * masks[0]
    return View(
        image=np.ascontiguousarray(image[::reduction, ::reduction]),
        sentences=sentences,
        masks=tuple(masks),
        meant=tuple(place % 2 for place in range(len(sentences))),
        reduction=reduction,
    )


def rng(seed=0):
    return np.random.default_rng(seed)


def test_flip_mirrors_image_masks_and_sentences():
    view = view_of("left cup", "the man in red")
    flipped = HorizontalFlip(1.0)(view, rng())
    assert flipped.sentences == ("right cup", "the man in red")
    np.testing.assert_array_equal(flipped.image, view.image[:, ::-1])
    np.testing.assert_array_equal(flipped.masks[1], view.masks[1][:, ::-1])


def test_flip_leaves_a_image_alone_when_one_sentence_cannot_be_rewritten():
    view = view_of("left cup", "the second horse")
    assert HorizontalFlip(1.0)(view, rng()) is view


def test_flip_comes_as_often_as_it_should():
    random, view = rng(), view_of("cup")
    times = sum(HorizontalFlip(0.3)(view, random) is not view for _ in range(1000))
    assert 250 < times < 350


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_crop_keeps_all_targets_and_image_and_masks_together(reduction):
    view, shapes = view_of("cup", "plate", reduction=reduction), set()
    for seed in range(60):
        crop = CropAroundTargets(0.5)(view, rng(seed))
        height, width = crop.image.shape[:2]
        shapes.add((height, width))
        assert crop.masks[0].shape == (height * reduction, width * reduction)
        assert [mask.sum() for mask in crop.masks] == [mask.sum() for mask in view.masks]
        np.testing.assert_array_equal(crop.image[..., 0] == 200, crop.masks[0][::reduction, ::reduction])
    assert len(shapes) > 5
    assert min(shapes)[0] * reduction < 45


def test_crop_of_a_image_without_targets_stays_inside():
    view = view_of("no such thing")
    view = replace(view, masks=(np.zeros((60, 80), dtype=bool),), meant=(0,))
    crops = [CropAroundTargets(0.5)(view, rng(seed)) for seed in range(30)]
    assert all(crop.image.shape[:2] == crop.masks[0].shape for crop in crops)
    assert min(crop.image.shape[0] for crop in crops) < 40


@pytest.mark.parametrize(
    "sentence", ["second cup", "the man in the middle", "bottom left corner", "cut off cat"]
)
def test_crop_leaves_a_image_alone_whose_sentence_depends_on_its_borders(sentence):
    view = view_of(sentence)
    assert CropAroundTargets()(view, rng()) is view


def test_a_crop_for_which_images_are_not_decoded_large_enough_is_refused():
    with pytest.raises(ValueError, match=r"from 0\.5 to 1, got 0\.3"):
        CropAroundTargets(0.3)


def test_jitter_changes_colours_within_its_shares_and_nothing_else():
    view = view_of("cup")
    jittered = ColourJitter()(view, rng())
    assert jittered.masks is view.masks
    assert jittered.image.shape == view.image.shape
    assert not np.array_equal(jittered.image, view.image)
    np.testing.assert_array_equal(ColourJitter(0.0, 0.0, 0.0)(view, rng()).image, view.image)
    brighter = ColourJitter(0.2, 0.0, 0.0)(view, rng(1)).image.astype(float)
    share = brighter.sum() / view.image.sum()
    assert 0.79 < share < 1.21


def test_jitter_keeps_grey_grey():
    grey = np.repeat(rng().integers(0, 256, (20, 20, 1), dtype=np.uint8), 3, axis=2)
    view = replace(view_of("cup"), image=grey)
    image = ColourJitter()(view, rng()).image.astype(int)
    assert np.ptp(image, axis=2).max() <= 1
    assert box_of(view.masks[0]) is not None
