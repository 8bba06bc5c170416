"""`cris data coco`, all the way."""

import json
from pathlib import Path

import pytest

from cris.data.store.reading import StoredDataset
from tests.cli.conftest import Cris


@pytest.fixture
def sources(shared_real: Path) -> list[str]:
    return ["--instances", str(shared_real / "instances.json"), "--images", str(shared_real / "images")]


def test_photographs_become_a_data_set_that_passes_the_check(cris: Cris, sources):
    outcome = cris("data", "coco", *sources, "--out", "made")
    assert outcome.code == 0, outcome.err
    manifest = StoredDataset(Path("made")).manifest
    assert sum(counts.sentences for counts in manifest.splits.values()) >= 250
    assert set(manifest.splits) == {"train", "val", "test"}
    assert cris("data", "check", "made").code == 0


def test_sentences_of_ones_own_are_taken(cris: Cris, sources):
    instances = json.loads(Path(sources[1]).read_text())
    names = {image["id"]: image["file_name"] for image in instances["images"]}
    rows = [
        {"image": names[each["image_id"]], "annotation_id": each["id"], "sentence": f"thing {number}"}
        for number, each in enumerate(instances["annotations"][:40])
    ]
    Path("s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    outcome = cris(
        "data", "coco", *sources, "--sentences", "s.jsonl", "--out", "own", "--split-shares", "1", "0", "0"
    )
    assert outcome.code == 0, outcome.err
    dataset = StoredDataset(Path("own"))
    assert dataset.manifest.splits["train"].sentences == 40
    (entry,) = (
        entry
        for number in range(len(dataset))
        for entry in dataset.picture(number).entries
        if "thing 3" in entry.sentences
    )
    Path("drop.json").write_text(json.dumps([f"said:{entry.ref_id}:thing 3"]))
    dropping = ("--sentences", "s.jsonl", "--drop", "drop.json", "--split-shares", "1", "0", "0")
    assert cris("data", "coco", *sources, *dropping, "--out", "less").code == 0
    assert StoredDataset(Path("less")).manifest.splits["train"].sentences == 39
    rows[7]["annotation_id"] = 5
    Path("s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    outcome = cris("data", "coco", *sources, "--sentences", "s.jsonl", "--out", "bad")
    assert outcome.is_short_error()
    assert "s.jsonl: row 8: annotation_id 5 is no annotation" in outcome.err
    assert not Path("bad").exists()


def test_wishes_do_not_go_with_sentences_of_ones_own(cris: Cris, sources):
    outcome = cris("data", "coco", *sources, "--sentences", "s.csv", "--plural", "--out", "bad")
    assert outcome.is_short_error(code=2)
    outcome = cris("data", "coco", *sources, "--drop", "drop.json", "--out", "bad")
    assert outcome.is_short_error(code=2)
