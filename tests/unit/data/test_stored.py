from pathlib import Path

import numpy as np
import pytest

from cris.data.open import open_dataset
from cris.data.stored import StoredSplit
from tests.fixtures.stored import record, records, with_entry, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "data", records(8))
    return tmp_path / "data"


def test_examples_are_the_samples_of_the_split_image_by_image(folder: Path) -> None:
    dataset = StoredSplit(folder, "train")
    assert (dataset.image_count, len(dataset)) == (6, 24)
    place = 0
    for image in dataset.images():
        for truth in image.references:
            sample = dataset[place]
            assert (truth.sample, truth.sentence, truth.ref_id) == (place, sample.sentence, sample.ref_id)
            np.testing.assert_array_equal(image.image, sample.image)
            np.testing.assert_array_equal(image.mask(truth.targets), sample.mask)
            assert truth.visible is None
            place += 1
    assert place == len(dataset)


def test_objects_are_known_with_their_categories(folder: Path) -> None:
    example = StoredSplit(folder, "val").image(0)
    assert [thing.category for thing in example.objects] == ["dog", "dog", "cat"]
    assert [truth.targets for truth in example.references] == [(0,), (0,), (), (0, 1)]
    assert [example.category(truth.targets) for truth in example.references] == ["dog", "dog", None, "dog"]
    assert [example.distractors(truth.targets) for truth in example.references] == [1, 1, 0, 0]


@pytest.mark.parametrize(("limit", "sentences", "images"), [(1, 1, 1), (4, 4, 1), (5, 5, 2), (99, 24, 6)])
def test_a_limit_counts_sentences(folder: Path, limit: int, sentences: int, images: int) -> None:
    dataset = open_dataset(folder, "train", limit)
    assert (len(dataset), dataset.image_count) == (sentences, images)
    assert sum(len(image.references) for image in dataset.images()) == sentences


def test_other_data_split_or_limit_is_another_identity(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", [with_entry(record(0), sentences=("another",)), *records(8)[1:]])
    found = [
        open_dataset(folder, "train"),
        open_dataset(folder, "val"),
        open_dataset(folder, "train", 3),
        open_dataset(tmp_path / "other", "train"),
    ]
    assert len({str(dataset.identity) for dataset in found}) == 4
    assert open_dataset(folder, "train", 24).identity == found[0].identity


def test_what_cannot_be_measured_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of train, val"):
        open_dataset(folder, "test")
    with pytest.raises(ValueError, match="limit must be at least 1"):
        open_dataset(folder, "val", 0)
    with pytest.raises(IndexError):
        open_dataset(folder, "val").image(2)
