"""Every epoch holds what its rule says, whoever asks for it and wherever a run goes on."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.data.dataset import SampleIndex
from cris.data.loading.sampling import Stream, _shuffled_within, wanted_shares

# three images with two, one and three entries, which have 2 1 | 4 | 1 3 2 sentences
IMAGE = np.repeat([0, 1, 2], [3, 4, 6])
ENTRY = np.repeat(range(6), [2, 1, 4, 1, 3, 2])
INDEX = SampleIndex(image=IMAGE, entry=ENTRY)


def epoch(stream, number=0):
    size = stream.groups_per_epoch
    return [stream.group(place).samples for place in range(number * size, (number + 1) * size)]


def test_one_sentence_per_object_takes_every_object_once_and_in_time_every_sentence():
    stream = Stream(INDEX, "one sentence per object")
    epochs = [epoch(stream, number) for number in range(40)]
    for groups in epochs:
        assert sorted(ENTRY[sample] for (sample,) in groups) == list(range(6))
    assert {sample for groups in epochs for (sample,) in groups} == set(range(13))
    assert len({tuple(groups) for groups in epochs}) == 40


def test_all_sentences_takes_each_once():
    groups = epoch(Stream(INDEX, "all sentences"))
    assert sorted(groups) == [(sample,) for sample in range(13)]
    assert groups != sorted(groups)


def test_k_sentences_per_image_are_different_while_there_are_and_always_as_many():
    stream = Stream(INDEX, "k sentences per picture", sentences=4)
    seen = set()
    for number in range(20):
        groups = epoch(stream, number)
        assert all(len({int(IMAGE[sample]) for sample in group}) == 1 for group in groups)
        assert sorted(int(IMAGE[group[0]]) for group in groups) == [0, 1, 2]
        assert sorted(len(set(group)) for group in groups) == [3, 4, 4]
        assert {len(group) for group in groups} == {4}
        seen.update(sample for group in groups for sample in group)
    assert seen == set(range(13))


def test_a_seed_decides_the_order_and_another_gives_another():
    one, same, other = (Stream(INDEX, "all sentences", seed=seed) for seed in (1, 1, 2))
    assert epoch(one) == epoch(same) != epoch(other)


@given(
    processes=st.integers(1, 4),
    shares=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    batches=st.integers(1, 6),
)
def test_no_sample_is_lost_or_doubled_by_processes_batches_and_resuming(processes, shares, batches):
    stream, position, seen = Stream(INDEX, "all sentences"), 0, []
    for share in shares:  # a run that stops and goes on with another batch
        groups = share * processes
        for step in range(batches):
            for rank in range(processes):
                start = position + step * groups
                seen += next(stream.batches(start, groups, rank, processes))
        position += batches * groups
    assert [group.position for group in seen] == list(range(position))
    whole = len(seen) // 13 * 13
    times = Counter(sample for group in seen[:whole] for sample in group.samples)
    assert set(times.values()) <= {whole // 13}


def test_batches_cross_the_ends_of_epochs():
    stream = Stream(INDEX, "one sentence per object")
    batches = list(islice(stream.batches(0, 4), 3))
    seen = [group.samples for batch in batches for group in batch]
    assert seen == [*epoch(stream, 0), *epoch(stream, 1)]


@pytest.mark.parametrize(("rule", "sentences"), [("all sentences", 2), ("k sentences per picture", 0)])
def test_impossible_numbers_of_sentences_are_refused(rule, sentences):
    with pytest.raises(ValueError, match=f"got {sentences}"):
        Stream(INDEX, rule, sentences=sentences)


def test_nothing_to_sample_is_refused():
    empty = SampleIndex(image=np.zeros(0, dtype=np.int64), entry=np.zeros(0, dtype=np.int64))
    with pytest.raises(ValueError, match="nothing to sample"):
        Stream(empty, "all sentences")


@pytest.mark.parametrize(
    ("rule", "sentences", "per_image"),
    [
        ("one sentence per object", 1, [2, 1, 3]),
        ("all sentences", 1, [3, 4, 6]),
        ("k sentences per picture", 2, [1, 1, 1]),
    ],
)
def test_repeated_images_come_as_often_as_they_should_in_every_epoch(rule, sentences, per_image):
    repeats = np.array([3, 1, 2])
    stream = Stream(INDEX, rule, sentences=sentences, repeats=repeats)
    assert stream.groups_per_epoch == (repeats * per_image).sum()
    for number in range(3):
        groups = epoch(stream, number)
        counts = Counter(int(IMAGE[group[0]]) for group in groups)
        assert [counts[image] for image in range(3)] == (repeats * per_image).tolist()


def test_a_repeated_image_comes_with_other_sentences_while_there_are():
    stream = Stream(INDEX, "k sentences per picture", sentences=3, repeats=np.array([1, 1, 2]))
    seen = [sample for group in epoch(stream) for sample in group if IMAGE[sample] == 2]
    assert sorted(seen) == list(range(7, 13))


def test_without_repeats_nothing_changes():
    for rule in ("one sentence per object", "all sentences", "k sentences per picture"):
        once = Stream(INDEX, rule, repeats=np.ones(3, dtype=np.int64))
        assert epoch(once, 4) == epoch(Stream(INDEX, rule), 4)


def test_collages_take_their_share_and_leave_the_other_groups_where_they_were():
    plain = Stream(INDEX, "k sentences per picture", sentences=2, seed=7)
    mixed = Stream(INDEX, "k sentences per picture", sentences=2, seed=7, collages=10**6, collage_share=0.3)
    assert mixed.groups_per_epoch == plain.groups_per_epoch
    groups = [mixed.group(position) for position in range(2000)]
    assert groups[1234] == mixed.group(1234)
    is_collage = [group.samples[0] >= len(INDEX) for group in groups]
    assert 0.25 <= sum(is_collage) / 2000 <= 0.35
    for group, of_collage in zip(groups, is_collage, strict=True):
        if of_collage:
            assert group.samples == (len(INDEX) + group.position,) * 2
        else:
            assert group == plain.group(group.position)


def test_a_few_collages_come_again():
    stream = Stream(INDEX, "all sentences", collages=4, collage_share=1.0)
    assert [stream.group(position).samples for position in range(6)] == [
        (13 + place,) for place in (0, 1, 2, 3, 0, 1)
    ]


@pytest.mark.parametrize(("collages", "share"), [(9, 1.5), (9, -0.1), (0, 0.5)])
def test_impossible_shares_of_collages_are_refused(collages, share):
    with pytest.raises(ValueError, match="collage_share must be 0 to 1, and 0 without collages"):
        Stream(INDEX, "all sentences", collages=collages, collage_share=share)


def mixed_index(images=300, seed=0):
    """Twenty sentences an image: of none, one or several objects, as it falls out."""
    targets = np.random.default_rng(seed).choice([0, 1, 1, 1, 1, 2, 3], 20 * images)
    image = np.repeat(np.arange(images), 20)
    return SampleIndex(image=image, entry=np.arange(len(image)), targets=targets)


@pytest.mark.parametrize("asked", [(0.3, 0.3), (0.0, 0.5), (0.45, None), (None, 0.1)])
def test_sentences_come_in_the_shares_that_are_asked_for(asked):
    index = mixed_index()
    shares = wanted_shares(index, *asked)
    stream = Stream(index, "k sentences per picture", sentences=4, shares=shares)
    drawn = np.array([epoch(stream, number) for number in range(10)])
    kinds = np.bincount(np.minimum(index.targets[drawn.ravel()], 2), minlength=3) / drawn.size
    assert kinds == pytest.approx(shares, abs=0.03)
    assert (index.image[drawn] == index.image[drawn[..., :1]]).all()
    for groups in drawn:
        assert sorted(index.image[groups[:, 0]]) == list(range(300))
    assert Stream(index, "k sentences per picture", sentences=4, shares=shares).group(77) == stream.group(77)


def test_shares_come_as_near_as_the_images_have_such_sentences():
    # one image of four says anything of nothing, and says only that
    image = np.repeat(np.arange(4), 3)
    index = SampleIndex(image=image, entry=np.arange(12), targets=np.repeat([0, 1, 1, 1], 3))
    shares = wanted_shares(index, 0.9, None)
    groups = epoch(Stream(index, "k sentences per picture", sentences=3, shares=shares))
    assert sorted(sorted(group) for group in groups) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_a_sentence_that_is_drawn_again_comes_as_the_view_repeats_it():
    index = SampleIndex(image=np.zeros(3, dtype=int), entry=np.arange(3), targets=np.array([0, 1, 1]))
    stream = Stream(index, "k sentences per picture", sentences=6, shares=wanted_shares(index, 0.5, None))
    for (group,) in (epoch(stream, number) for number in range(20)):
        distinct = list(dict.fromkeys(group))
        assert list(group) == [distinct[place % len(distinct)] for place in range(6)]


def test_shares_of_sentences_that_are_not_there_or_cannot_be_drawn_are_refused():
    index = SampleIndex(image=IMAGE, entry=ENTRY, targets=np.ones(13, dtype=int))
    with pytest.raises(
        ValueError, match=r"no_target_share 0\.2 needs sentences that mean no object, got none"
    ):
        wanted_shares(index, 0.2, None)
    with pytest.raises(ValueError, match=r"several_targets_share 0\.2 needs sentences that mean several obj"):
        wanted_shares(index, None, 0.2)
    assert wanted_shares(index, None, None) is None
    with pytest.raises(ValueError, match="need the rule k sentences per picture, got all sentences"):
        Stream(index, "all sentences", shares=wanted_shares(index, 0.0, None))


@pytest.mark.parametrize("counts", [[1] * 6, [3] * 5, [2, 1, 4]])
def test_samples_of_an_image_are_shuffled_as_by_one_sort_of_all(counts):
    owner = np.repeat(np.arange(len(counts)), counts)
    keys = np.random.default_rng(7).random(len(owner))
    found = _shuffled_within(owner, np.array(counts), np.random.default_rng(7))
    assert found.tolist() == np.lexsort((keys, owner)).tolist()
