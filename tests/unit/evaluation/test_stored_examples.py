from pathlib import Path

import numpy as np
import pytest

from cris.data.dataset import ReferringDataset
from cris.evaluation.stored_examples import StoredExamples
from tests.stored import record, records, with_entry, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "data", records(8))
    return tmp_path / "data"


def test_examples_are_the_samples_of_the_split_picture_by_picture(folder: Path) -> None:
    examples, dataset = StoredExamples(folder, "train"), ReferringDataset(folder, "train")
    assert (len(examples), examples.sentences) == (6, len(dataset))
    place = 0
    for example in examples:
        for truth in example.truths:
            sample = dataset[place]
            assert (truth.sample, truth.sentence, truth.ref_id) == (place, sample.sentence, sample.ref_id)
            np.testing.assert_array_equal(example.image, sample.image)
            np.testing.assert_array_equal(example.mask(truth.targets), sample.mask)
            assert truth.visible is None
            place += 1
    assert place == len(dataset)


def test_objects_are_known_with_their_categories(folder: Path) -> None:
    example = StoredExamples(folder, "val")[0]
    assert [thing.category for thing in example.objects] == ["dog", "dog", "cat"]
    assert [truth.targets for truth in example.truths] == [(0,), (0,), (), (0, 1)]
    assert [example.category(truth.targets) for truth in example.truths] == ["dog", "dog", None, "dog"]
    assert [example.distractors(truth.targets) for truth in example.truths] == [1, 1, 0, 0]


@pytest.mark.parametrize(("limit", "sentences", "pictures"), [(1, 1, 1), (4, 4, 1), (5, 5, 2), (99, 24, 6)])
def test_a_limit_counts_sentences(folder: Path, limit: int, sentences: int, pictures: int) -> None:
    examples = StoredExamples(folder, "train", limit)
    assert (examples.sentences, len(examples)) == (sentences, pictures)
    assert sum(len(example.truths) for example in examples) == sentences


def test_other_data_split_or_limit_is_another_identity(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", [with_entry(record(0), sentences=("another",)), *records(8)[1:]])
    found = [
        StoredExamples(folder, "train"),
        StoredExamples(folder, "val"),
        StoredExamples(folder, "train", 3),
        StoredExamples(tmp_path / "other", "train"),
    ]
    assert len({str(examples.identity) for examples in found}) == 4
    assert StoredExamples(folder, "train", 24).identity == found[0].identity


def test_what_cannot_be_measured_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of train, val"):
        StoredExamples(folder, "test")
    with pytest.raises(ValueError, match="limit must be at least 1"):
        StoredExamples(folder, "val", 0)
    with pytest.raises(IndexError):
        StoredExamples(folder, "val")[2]
