import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from cris.data.inspection.check import check_dataset
from cris.data.scenes import SceneKnobs, Scenes
from cris.data.sources.scenes import SceneSet
from cris.data.store.reading import StoredDataset
from cris.data.store.writing import write_dataset
from cris.image import read_image
from cris.masks import decode_rle

KNOBS = SceneKnobs(no_target=0.2, several_targets=0.3)
SCENES = SceneSet(counts={"train": 6, "val": 3}, sentences=8, seed=3, size=96, knobs=KNOBS)


def test_records_are_the_scenes_in_order() -> None:
    records = list(SCENES.records(0))
    scenes = [
        Scenes(split, seed=3, size=96, knobs=KNOBS).scene(index, 8)
        for split, count in SCENES.counts.items()
        for index in range(count)
    ]
    for record, scene in zip(records, scenes, strict=True):
        np.testing.assert_array_equal(read_image(record.image), scene.image)
        masks = {each.id: decode_rle(each.rle) for each in record.objects}
        stored = {
            sentence: np.any([np.zeros((96, 96), bool), *(masks[each] for each in entry.object_ids)], axis=0)
            for entry in record.entries
            for sentence in entry.sentences
        }
        assert stored.keys() == {expression.sentence for expression in scene.expressions}
        for expression in scene.expressions:
            np.testing.assert_array_equal(stored[expression.sentence], scene.mask(expression))
    assert [record.entries[0].split for record in records] == 6 * ["train"] + 3 * ["val"]
    assert {len(entry.object_ids) for record in records for entry in record.entries} >= {0, 1, 2}


def test_starting_later_leaves_out_the_first() -> None:
    assert list(SCENES.records(4)) == list(SCENES.records(0))[4:]
    assert list(SCENES.records(9)) == []


def test_the_source_tells_all_that_decides_the_records() -> None:
    others = [
        replace(SCENES, counts={"train": 7, "val": 3}),
        replace(SCENES, sentences=7),
        replace(SCENES, seed=4),
        replace(SCENES, size=97),
        replace(SCENES, knobs=SceneKnobs()),
    ]
    assert len({each.source.fingerprint for each in [SCENES, *others]}) == 6
    assert replace(SCENES).source.fingerprint == SCENES.source.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": {"val": 1001}}, "split val must be 1 to 1,000, got 1,001"),
        ({"counts": {"train": 0}}, "split train must be 1 to"),
        ({"counts": {"all": 1}}, "split must be one of"),
        ({"sentences": 0}, "sentences must be 1 to 99"),
        ({"sentences": 100}, "sentences must be 1 to 99"),
        ({"size": 10}, "size must be at least 64"),
    ],
)
def test_what_cannot_be_rendered_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SCENES, **changes)


def test_a_stored_data_set_is_small_and_nothing_is_wrong_of_it(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", SCENES.records, SCENES.source, command="cris data scenes")
    assert check_dataset(StoredDataset(tmp_path / "data")) == []
    images = annotations = 0
    for record in SCENES.records(0):
        images += len(record.image)
        known = {name: value for name, value in asdict(replace(record, image=b"")).items() if name != "image"}
        annotations += len(json.dumps(known, separators=(",", ":")))
    stored = sum(path.stat().st_size for path in (tmp_path / "data").iterdir())
    assert stored <= 1.05 * (images + annotations)
