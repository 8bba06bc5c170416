"""Collages follow from the photographs, the seed and the index, and sentences hold of them."""

import hashlib
import multiprocessing
import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from cris.data.collages import COLLAGES_VERSION, Collages
from cris.data.dataset import Dataset
from cris.data.expressions import CategoryStats, Wishes, expressions_of
from cris.data.stored import StoredSplit
from cris.data.union import UnionDataset, open_union
from cris.image import read_image
from cris.masks import decode_rle
from tests.fixtures.photographs import (
    BLUE,
    GREEN,
    MAGENTA,
    RED,
    Disc,
    photograph,
    plain_photographs,
    stored,
)
from tests.fixtures.stored import record, write
from tests.unit.data.collages.test_paste import grown

PLAIN = Wishes(is_plural_wanted=True, is_no_target_wanted=True)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("photographs") / "data", plain_photographs())


@pytest.fixture(scope="module")
def collages(photographs):
    return Collages(photographs, seed=5, count=40)


def contents(collages: Collages, index: int) -> tuple:
    collage = collages.collage(index)
    return collage.image.tobytes(), collage.objects, collage.expressions, collage.background


def contents_elsewhere(pickled: bytes, index: int) -> tuple:
    return contents(pickle.loads(pickled), index)


def test_an_index_gives_the_same_collage_again_and_in_another_process(collages):
    first = [contents(collages, index) for index in range(4)]
    assert [contents(collages, index) for index in (3, 2, 1, 0)] == first[::-1]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(contents_elsewhere, (pickle.dumps(collages), 2)) == first[2]
    assert all(one[0] != other[0] for one, other in pairwise(first))


@pytest.mark.parametrize(
    ("index", "digest"), [(0, "27605d333abb1e02"), (1, "1973e08b9d47c583"), (2, "892f2e2385a6830b")]
)
def test_pixels_and_masks_change_with_the_version_alone(collages, index, digest):
    assert COLLAGES_VERSION == 1
    collage = collages.collage(index)
    found = collage.image.tobytes() + repr([each.rle for each in collage.objects]).encode()
    assert hashlib.sha256(found).hexdigest().startswith(digest)


def test_another_seed_gives_other_collages(photographs, collages):
    other = Collages(photographs, seed=6, count=40)
    assert all(contents(other, index)[0] != contents(collages, index)[0] for index in range(5))


def test_far_from_what_is_pasted_the_background_is_untouched(photographs, collages):
    images = {each.file_name: read_image(each.image) for each in photographs.stored}
    for index in range(20):
        collage = collages.collage(index)
        far = ~grown(collage.mask(collage.pasted), 5)
        np.testing.assert_array_equal(collage.image[far], images[collage.background][far])
        assert (collage.image != images[collage.background]).any()


def test_pasted_objects_have_the_colour_of_their_category(collages):
    largest = {"dog": 0, "person": 1, "bus": 2}  # red, green, blue
    for index in range(20):
        collage = collages.collage(index)
        for number in collage.pasted:
            inside = collage.image[grown(collage.mask((number,)), -4)]
            assert set(inside.argmax(axis=-1).tolist()) <= {largest[collage.objects[number].category]}


def test_no_object_comes_from_the_background_itself_or_twice_from_one_photograph(tmp_path):
    only_two = stored(tmp_path / "data", plain_photographs(2))
    for index in range(10):
        collage = Collages(only_two).collage(index)
        assert len(collage.pasted) == 1
        below = {"photo-1.png": "bus", "photo-2.png": "person"}[collage.background]
        assert collage.objects[collage.pasted[0]].category != below


def is_magenta_seen(image: np.ndarray) -> bool:
    """More of it than where an edge mixes red and blue."""
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    return bool(grown((red > 100) & (blue > 100) & (green < 60), -3).any())


def test_photographs_of_another_split_are_never_used(tmp_path):
    held_out = [photograph(number, [Disc("dog", colour=MAGENTA)], split="val") for number in range(10, 16)]
    in_both = photograph(20, [Disc("bus", colour=MAGENTA)])
    (entry,) = in_both.entries
    in_both = replace(in_both, entries=(entry, replace(entry, ref_id=77, split="test")))
    stored(tmp_path / "data", [*plain_photographs(), *held_out, in_both])
    collages = Collages(StoredSplit(tmp_path / "data", "train"))
    assert not any(is_magenta_seen(collages.collage(index).image) for index in range(60))
    only_val = Collages(StoredSplit(tmp_path / "data", "val"))
    assert all(is_magenta_seen(only_val.collage(index).image) for index in range(3))
    assert only_val.collage(0).background in {f"photo-{number}.png" for number in range(10, 16)}


def test_a_union_gives_each_photograph_once_and_none_that_is_held_out(tmp_path):
    images = plain_photographs(4)
    write(tmp_path / "a", images)
    write(tmp_path / "b", [*images[:2], photograph(3, [Disc("dog")], split="val")])
    collages = Collages(open_union([tmp_path / "a", tmp_path / "b"], "train"))
    used = [stored.row(row).picture_id for stored, row in collages.photographs.rows]
    assert sorted(used) == [1, 2, 4]


def test_partly_annotated_backgrounds_get_what_is_annotated_and_complete_ones_nothing_unknown(tmp_path):
    people = [
        photograph(number, [Disc("person", (60 + number, 90), 25, GREEN)], annotated=("person",))
        for number in range(1, 5)
    ]
    complete = [
        photograph(number, [Disc("person", (60 + number, 90), 25, RED), Disc("bus", (170, 70), 25, BLUE)])
        for number in range(5, 9)
    ]
    collages = Collages(stored(tmp_path / "data", [*people, *complete]))
    partly = complete_ones = 0
    for index in range(60):
        collage = collages.collage(index)
        pasted = [collage.objects[each] for each in collage.pasted]
        if collage.annotated == ("person",):
            partly += 1
            assert {each.category for each in pasted} == {"person"}
            assert all(expression.object_ids for expression in collage.expressions)
        else:
            complete_ones += 1
            for each in pasted:
                inside = collage.image[grown(decode_rle(each.rle), -4)]
                assert 1 not in inside.argmax(axis=-1)  # no green one, whose photograph may hold a bus
    assert min(partly, complete_ones) >= 15


def test_nothing_is_pasted_of_which_a_crowd_is_there(tmp_path):
    crowds = [
        photograph(
            number, [Disc("person"), Disc("dog", (40, 60), 22), Disc("dog", (200, 140), 30, BLUE, True)]
        )
        for number in range(1, 5)
    ]
    collages = Collages(stored(tmp_path / "data", crowds))
    for index in range(20):
        collage = collages.collage(index)
        assert {collage.objects[each].category for each in collage.pasted} == {"person"}


def test_sentences_never_mean_what_is_mostly_covered_though_it_counts():
    photo = photograph(1, [Disc("dog", (60, 90), 30), Disc("dog", (180, 90), 30)])
    image, category_stats = read_image(photo.image), CategoryStats(numerous=frozenset(), noticed=())
    objects = photo.objects

    def meant(wishes, obscured):
        return expressions_of(objects, image, category_stats, wishes, 1, None, obscured)

    for wishes in (PLAIN, Wishes(is_for_training=True)):
        ids = {each.object_ids for each in meant(wishes, ())}
        assert {(100,), (101,), (100, 101)} <= ids
        covered = meant(wishes, {100})
        assert {each.object_ids for each in covered} - {()} == {(101,)}
        assert "only" not in {each.kind for each in covered}


def test_nothing_is_said_of_what_touches_or_is_nearer(tmp_path):
    kinds = set()
    collages = Collages(stored(tmp_path / "data", plain_photographs(9)))
    for index in range(60):
        kinds |= {each.kind for each in collages.collage(index).expressions}
    assert {"only", "left", "no_target", "both"} <= kinds
    assert not kinds & {"on", "riding", "sitting", "with", "holding", "wearing", "role", "front", "back"}


def test_a_view_has_as_many_sentences_as_are_asked_for_and_fewer_are_the_first_of_more(collages):
    assert isinstance(collages, Dataset)
    for index in range(10):
        one, six = collages.view([index]), collages.view([index], sentences=6)
        assert six.sentences[:1] == one.sentences
        assert len(six.sentences) == len(six.meant) == 6
        assert len(set(six.sentences)) == min(6, len(collages.collage(index).expressions))
        collage = collages.collage(index)
        meant = {each.sentence: each.object_ids for each in collage.expressions}
        for sentence, place in zip(six.sentences, six.meant, strict=True):
            np.testing.assert_array_equal(six.masks[place], collage.mask(meant[sentence]))
    sample = collages[-1]
    assert (sample.picture_id, sample.ref_id) == (39, 39)
    assert sample.sentence == collages.view([39]).sentences[0]
    with pytest.raises(IndexError, match="within 40 samples of 'train', got 40"):
        collages[40]


def test_a_view_asks_again_when_there_is_no_more_to_say(tmp_path):
    collages = Collages(stored(tmp_path / "data", plain_photographs(3)), wishes=Wishes())
    assert len(collages.collage(0).expressions) < 30
    assert len(collages.view([0], sentences=30).sentences) == 30


def test_one_sentence_in_five_means_nothing(photographs):
    collages = Collages(photographs)
    first = [collages.collage(index).expressions[:3] for index in range(120)]
    absent = sum(not each.object_ids for expressions in first for each in expressions)
    assert 0.13 <= absent / sum(map(len, first)) <= 0.27


def test_without_objects_to_cut_out_collages_are_refused(tmp_path):
    with pytest.raises(ValueError, match="whole objects of 40 pixels and more: found none in 3 images"):
        Collages(stored(tmp_path / "data", [record(number) for number in range(3)]))


def test_where_nothing_can_be_said_the_error_tells_so(tmp_path):
    lone = stored(tmp_path / "data", plain_photographs(1))
    with pytest.raises(ValueError, match="hold too little that stands out, leave collages out"):
        Collages(lone).collage(0)


def test_mixed_samples_are_those_of_the_data_set_and_then_collages(photographs, collages):
    mixed = UnionDataset([photographs, collages])
    assert isinstance(mixed, Dataset)
    assert len(mixed) == len(photographs) + 40
    assert (mixed.index.image[: len(photographs)] == photographs.index.image).all()
    assert mixed.rows() is None
    assert mixed[1].sentence == photographs[1].sentence
    assert mixed[-1].sentence == collages[39].sentence
    first = len(photographs)
    assert mixed.view([first + 3], sentences=2).sentences == collages.view([3], sentences=2).sentences
    assert mixed.view([2]).sentences == photographs.view([2]).sentences
