"""Repeat factors are those of LVIS, and whole repeats come near them."""

from math import sqrt

import numpy as np
import pytest

from cris.data.loading.repeats import referred_categories, repeat_factors, repeats_of, whole_repeats
from tests.fixtures.photographs import Disc, photograph, stored

# 10 images: a dog in all, a bus in four, a cow in one that has a bus, too
CATEGORIES = [{"dog"}] * 6 + [{"dog", "bus"}] * 3 + [{"dog", "bus", "cow"}]


def plainly(categories, threshold):
    """The formula as Gupta et al. have it."""
    known = {category for each in categories for category in each}
    share = {c: sum(c in each for each in categories) / len(categories) for c in known}
    factor = {c: max(1, sqrt(threshold / share[c])) for c in known}
    return [max((factor[c] for c in each), default=1) for each in categories]


@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.3, 0.5, 1.0])
def test_factors_are_those_of_the_rarest_category(threshold):
    assert repeat_factors(CATEGORIES, threshold) == pytest.approx(plainly(CATEGORIES, threshold))


def test_images_without_objects_come_once():
    assert repeat_factors([set(), {"dog"}, {"cat"}, {"cat"}], 0.9)[0] == 1


def test_whole_repeats_are_the_factor_on_average_and_follow_from_seed_and_id():
    factors, ids = [2.3] * 4000, range(4000)
    repeats = whole_repeats(factors, ids, seed=1)
    assert set(repeats.tolist()) == {2, 3}
    assert repeats.mean() == pytest.approx(2.3, abs=0.03)
    np.testing.assert_array_equal(whole_repeats(factors[:7], ids[7:14], seed=1), repeats[7:14])
    assert (whole_repeats(factors, ids, seed=2) != repeats).any()


def test_whole_factors_are_kept():
    assert whole_repeats([1.0, 2.0, 3.0], [5, 6, 7], seed=0).tolist() == [1, 2, 3]


def test_categories_are_those_that_sentences_of_the_split_mean(tmp_path):
    images = [photograph(number, [Disc("dog")]) for number in range(1, 9)]
    images.append(photograph(9, [Disc("dog"), Disc("cow", is_crowd=True)]))
    images.append(photograph(10, [Disc("bus")]))
    images.append(photograph(11, [Disc("cat")], split="val"))
    train = stored(tmp_path / "data", images)
    assert referred_categories(train.rows(), "train") == 9 * [{"dog"}] + [{"bus"}]
    assert repeats_of(train.rows(), "train", 0.9, seed=0).tolist() == 9 * [1] + [3]
    assert repeats_of(train.rows(), "train", 0.1, seed=0).tolist() == 10 * [1]
