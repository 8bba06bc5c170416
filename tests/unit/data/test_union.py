"""Several data sets as one, without what any of them measures on."""

from pathlib import Path

import pytest

from cris.data.dataset import Dataset
from cris.data.loading.sampling import Stream
from cris.data.store.manifest import SourceInfo
from cris.data.stored import StoredSplit
from cris.data.union import open_union
from tests.fixtures.stored import record, write


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Images 0 to 3 in the first, 2 to 5 in the second; 3 is in the first's val, 2 in the second's test."""
    first = [record(number, "val" if number == 3 else "train") for number in range(4)]
    second = [record(number, "test" if number == 2 else "train") for number in range(2, 6)]
    for name, images in (("first", first), ("second", second)):
        write(tmp_path / name, images, SourceInfo(kind="test", options={"name": name}))
    return [tmp_path / "first", tmp_path / "second"]


def test_no_image_is_learned_from_that_any_data_set_holds_out(folders: list[Path]) -> None:
    union = open_union(folders, "train")
    assert sorted({union[place].picture_id for place in range(len(union))}) == [0, 1, 4, 5]


def test_every_other_sample_is_there_as_its_data_set_has_it(folders: list[Path]) -> None:
    union = open_union(folders, "train")
    alone = [
        sample
        for folder in folders
        for sample in (StoredSplit(folder, "train")[p] for p in range(len(StoredSplit(folder, "train"))))
        if sample.picture_id not in (2, 3)
    ]
    assert [(s.picture_id, s.ref_id, s.sentence) for s in (union[p] for p in range(len(union)))] == [
        (s.picture_id, s.ref_id, s.sentence) for s in alone
    ]
    assert all((union[p].mask == s.mask).all() for p, s in enumerate(alone))


def test_other_splits_are_joined_as_they_are(folders: list[Path]) -> None:
    assert {open_union(folders, "val")[p].picture_id for p in range(4)} == {3}
    assert {open_union(folders, "test")[p].picture_id for p in range(4)} == {2}


def test_groups_keep_to_one_image_and_entries_have_no_gaps(folders: list[Path]) -> None:
    union = open_union(folders, "train")
    assert isinstance(union, Dataset)
    assert sorted(set(union.index.entry.tolist())) == list(range(int(union.index.entry.max()) + 1))
    stream = Stream(union.index, "k sentences per picture", sentences=3)
    assert stream.groups_per_epoch == 4
    for position in range(4):
        samples = stream.group(position).samples
        assert len({union[sample].picture_id for sample in samples}) == 1
        assert union.view(samples).sentences == tuple(union[sample].sentence for sample in samples)


def test_a_split_that_none_has_is_refused(folders: list[Path]) -> None:
    with pytest.raises(ValueError, match="split must be one of test, train, val, got 'testA'"):
        open_union(folders, "testA")


def test_a_union_of_which_nothing_is_left_says_why(tmp_path: Path) -> None:
    write(tmp_path / "a", [record(1, "train")])
    write(tmp_path / "b", [record(1, "val")], SourceInfo(kind="test", options={"other": 1}))
    with pytest.raises(ValueError, match="images are compared by their ids"):
        open_union([tmp_path / "a", tmp_path / "b"], "train")
