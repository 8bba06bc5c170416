"""Every epoch holds what its rule says, whoever asks for it and wherever a run goes on."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cris.data.loading.sampling import Stream
from cris.data.samples import SampleIndex

# three pictures with two, one and three entries, which have 2 1 | 4 | 1 3 2 sentences
PICTURE = np.repeat([0, 1, 2], [3, 4, 6])
ENTRY = np.repeat(range(6), [2, 1, 4, 1, 3, 2])
INDEX = SampleIndex(picture=PICTURE, entry=ENTRY)


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


def test_k_sentences_per_picture_are_different_while_there_are_and_always_as_many():
    stream = Stream(INDEX, "k sentences per picture", sentences=4)
    seen = set()
    for number in range(20):
        groups = epoch(stream, number)
        assert all(len({int(PICTURE[sample]) for sample in group}) == 1 for group in groups)
        assert sorted(int(PICTURE[group[0]]) for group in groups) == [0, 1, 2]
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
    empty = SampleIndex(picture=np.zeros(0, dtype=np.int64), entry=np.zeros(0, dtype=np.int64))
    with pytest.raises(ValueError, match="nothing to sample"):
        Stream(empty, "all sentences")
