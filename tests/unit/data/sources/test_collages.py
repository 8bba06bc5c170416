"""Collages as a stored data set: the same as in training, whole, and known as such."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cris.data.collages import Collages
from cris.data.inspection.check import check_dataset
from cris.data.inspection.stats import count
from cris.data.sources.collages import CollageSet
from cris.data.store.reading import StoredDataset
from cris.data.store.writing import write_dataset
from cris.data.stored import StoredSplit
from cris.image import read_image
from cris.masks import decode_rle
from tests.fixtures.photographs import Disc, photograph, plain_photographs
from tests.fixtures.stored import write


@pytest.fixture
def collages(tmp_path: Path) -> CollageSet:
    people = [photograph(number, [Disc("person")], annotated=("person",)) for number in (20, 21, 22)]
    write(tmp_path / "photographs", [*plain_photographs(), *people])
    return CollageSet(folder=tmp_path / "photographs", split="train", count=12, sentences=5, seed=2)


def test_records_are_the_collages_of_training(collages: CollageSet) -> None:
    made = Collages(StoredSplit(collages.folder, "train"), seed=2)
    for index, record in enumerate(collages.records(0)):
        collage = made.collage(index)
        assert record.file_name == f"collage-{index:06d}-of-{Path(collage.background).stem}.jpg"
        image = read_image(record.image).astype(int)
        assert abs(image - collage.image).mean() < 3  # a JPEG of it
        assert [each.category for each in record.objects] == [each.category for each in collage.objects]
        assert record.annotated == collage.annotated
        masks = {each.id: decode_rle(each.rle) for each in record.objects}
        meant = {each.sentence: each.object_ids for each in collage.expressions[:5]}
        told = {sentence: entry.object_ids for entry in record.entries for sentence in entry.sentences}
        assert told.keys() == meant.keys()
        for sentence, ids in told.items():
            empty = np.zeros(image.shape[:2], dtype=bool)
            mask = np.any([empty, *(masks[each] for each in ids)], axis=0)
            np.testing.assert_array_equal(mask, collage.mask(meant[sentence]))
    assert index == 11


def test_starting_later_leaves_out_the_first(collages: CollageSet) -> None:
    assert list(collages.records(9)) == list(collages.records(0))[9:]


def test_a_stored_data_set_passes_the_check_and_its_collages_are_counted(
    collages: CollageSet, tmp_path: Path
) -> None:
    manifest = write_dataset(tmp_path / "data", collages.records, collages.source, command="a test")
    assert manifest.source.kind == "collages"
    dataset = StoredDataset(tmp_path / "data")
    assert [each for each in check_dataset(dataset) if each.check != "near-duplicate"] == []
    assert count(dataset, manifest.splits).collages == 12
    photographs = StoredDataset(collages.folder)
    assert count(photographs, photographs.manifest.splits).collages == 0


def test_the_source_tells_all_that_decides_the_records(collages: CollageSet, tmp_path: Path) -> None:
    write(tmp_path / "others", plain_photographs(5), replace(collages.source, kind="others"))
    others = [
        replace(collages, folder=tmp_path / "others"),
        replace(collages, count=13),
        replace(collages, sentences=6),
        replace(collages, seed=3),
        replace(collages, split="val"),
    ]
    assert len({each.source.fingerprint for each in [collages, *others]}) == 6


@pytest.mark.parametrize("changes", [{"count": 0}, {"sentences": 0}])
def test_what_cannot_be_made_is_refused(collages: CollageSet, changes: dict[str, int]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=re.escape(f"{name} must be 1 or more")):
        replace(collages, **changes)
