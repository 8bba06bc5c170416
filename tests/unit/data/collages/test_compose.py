"""Later cut-outs cover earlier ones and what is below, and masks lose what is covered."""

import numpy as np

from cris.data.collages.compose import compose
from cris.data.collages.cutouts import CollagePhotograph
from cris.data.scenes.draws import Draws
from cris.image import read_image
from cris.masks import box_of, decode_rle
from tests.fixtures.photographs import BLUE, GREEN, RED, Disc, disc_mask, photograph
from tests.unit.data.collages.test_paste import disc_cutout, grown

BELOW = photograph(
    1, [Disc("cat", centre=(80, 90), radius=50, colour=GREEN), Disc("cow", (190, 40), 12, GREEN, True)]
)


def composed(number: int):
    cutouts = [disc_cutout(110, RED), disc_cutout(110, BLUE)]
    below = CollagePhotograph(BELOW, read_image(BELOW.image), 1)
    return compose(below, cutouts, Draws(number))


def hue(pixels: np.ndarray) -> set[int]:
    """Which channel is largest."""
    return set(pixels.argmax(axis=-1).tolist())


def test_masks_hold_what_is_seen_and_nothing_else():
    overlaps = 0
    for number in range(40):
        found = composed(number)
        masks = {each.id: decode_rle(each.rle) for each in found.objects}
        assert [each.id for each in found.objects] == list(range(len(found.objects)))
        assert sum(mask.astype(int) for mask in masks.values()).max() == 1
        for each, visible in zip(found.objects, found.visible, strict=True):
            left, top, right, bottom = box_of(masks[each.id])
            assert each.box == (left, top, right - left, bottom - top)
            inner = grown(masks[each.id], -4)
            pixels = found.image[inner]
            colour = 1 if each.id not in found.pasted else 0 if each.id == found.pasted[0] else 2
            if len(found.pasted) == 2:
                assert hue(pixels) <= {colour}
            overlaps += visible < 0.9
    assert overlaps >= 20


def test_the_last_one_is_never_covered_and_the_others_lose_just_what_it_covers():
    for number in range(40):
        found = composed(number)
        assert found.visible[-1] == 1
        last = decode_rle(found.objects[-1].rle)
        cat = disc_mask(Disc("cat", centre=(80, 90), radius=50))
        for each, visible in zip(found.objects, found.visible, strict=True):
            if each.category == "cat":
                assert visible == decode_rle(each.rle).sum() / cat.sum()
                assert not (decode_rle(each.rle) & last).any()


def test_objects_below_that_nothing_covers_stay_as_they_are():
    unchanged = 0
    for number in range(40):
        found = composed(number)
        for each in found.objects:
            if each.category == "cow":
                assert each.is_crowd
                unchanged += each.rle == BELOW.objects[1].rle
    assert unchanged >= 20


def test_what_is_covered_wholly_is_gone():
    small = photograph(1, [Disc("cat", centre=(120, 90), radius=3)])
    below = CollagePhotograph(small, read_image(small.image), 1)
    counts = {len(compose(below, [disc_cutout(126)], Draws(number)).objects) for number in range(60)}
    assert counts == {1, 2}
