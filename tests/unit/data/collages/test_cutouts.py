"""Only whole objects are cut out, with what lies on them, and only where nothing unknown comes along."""

from pathlib import Path

import numpy as np
import pytest

from cris.data.collages.cutouts import Photographs
from tests.fixtures.photographs import BLUE, GREEN, HEIGHT, RED, WIDTH, Disc, disc_mask, photograph, stored


def cut(tmp_path: Path, *discs: Disc, **options):
    """What is cut out of a photograph of these, for the first of them."""
    photographs = Photographs.of(stored(tmp_path / "data", [photograph(1, discs, **options)]).rows())
    candidates = photographs.fitting(photographs.annotated[0]).get(discs[0].category, [])
    found = [photographs.cut(candidate) for candidate in candidates]
    again = [photographs.cut(candidate) for candidate in candidates]
    assert [each is None for each in found] == [each is None for each in again]
    return [each for each in found if each is not None]


def test_a_cutout_has_the_pixels_of_its_object(tmp_path):
    (found,) = cut(tmp_path, Disc("dog"))
    assert found.categories == ("dog",)
    (mask,) = found.masks
    np.testing.assert_array_equal(mask, disc_mask(Disc("dog"))[60:121, 90:151])
    assert (found.image[mask] == RED).all()
    assert not (found.image[~mask] == RED).all(axis=-1).any()


@pytest.mark.parametrize(
    "disc",
    [
        Disc("dog", radius=19),
        Disc("dog", centre=(30, 90)),
        Disc("dog", centre=(120, HEIGHT - 31)),
        Disc("dog", centre=(WIDTH - 1, 90)),
        Disc("dog", is_crowd=True),
        Disc("banana"),
        Disc("42"),
    ],
    ids=["small", "at the left", "at the bottom", "cut", "crowd", "ill drawn", "no noun"],
)
def test_what_is_not_whole_or_not_named_is_left(tmp_path, disc):
    assert cut(tmp_path, disc, Disc("cat", centre=(180, 50), radius=25)) == []


def test_what_lies_on_an_object_comes_along(tmp_path):
    tie = Disc("tie", centre=(120, 100), radius=8, colour=BLUE)
    (found,) = cut(tmp_path, Disc("person"), tie, Disc("cat", centre=(200, 90), radius=20))
    assert found.categories == ("person", "tie")
    np.testing.assert_array_equal(found.masks[1], disc_mask(tie)[60:121, 90:151])


def test_an_object_with_half_of_another_on_it_is_left(tmp_path):
    assert cut(tmp_path, Disc("person"), Disc("handbag", centre=(150, 90), radius=15)) == []


def test_an_object_among_a_crowd_is_left(tmp_path):
    assert cut(tmp_path, Disc("person"), Disc("person", centre=(125, 95), radius=40, is_crowd=True)) == []


def test_what_stands_on_a_larger_object_is_cut_out_without_it(tmp_path):
    (found,) = cut(tmp_path, Disc("cup", radius=25), Disc("dining table", radius=70, colour=GREEN))
    assert found.categories == ("cup",)


def test_large_photographs_are_reduced_with_their_masks(tmp_path):
    (found,) = cut(tmp_path, Disc("dog"), scale=6, format="JPEG")
    assert found.image.shape[:2] == found.masks[0].shape
    assert 179 <= found.image.shape[0] <= 181  # 360 pixels, halved
    inside = found.image[90, 20:160].astype(int)
    assert (abs(inside - RED) <= 12).all()


def test_cutouts_fit_where_as_much_is_annotated_and_they_are_of_it(tmp_path):
    people = ("person",)
    rows = stored(
        tmp_path / "data",
        [
            photograph(1, [Disc("person"), Disc("dog", centre=(40, 60), radius=25)]),
            photograph(2, [Disc("person"), Disc("dog", centre=(40, 60), radius=25)], annotated=people),
            photograph(3, [Disc("person")], annotated=("dog", "person")),
        ],
    ).rows()
    photographs = Photographs.of(rows)
    assert photographs.annotated == [None, people, ("dog", "person")]

    def sources(background):
        fitting = photographs.fitting(background).items()
        return {category: sorted(each.row for each in found) for category, found in fitting}

    assert sources(None) == {"dog": [0], "person": [0]}
    assert sources(people) == {"person": [0, 1, 2]}
    assert sources(("dog", "person")) == {"dog": [0], "person": [0, 2]}
