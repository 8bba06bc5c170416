"""`cris data coco`, all the way."""

import hashlib
import json
from pathlib import Path

import pytest

from cris.data.store.reading import StoredDataset
from tests.cli.conftest import Cris

DIGEST = "4701eb223d94d49e621dcd0b2db9ed7eda938f87e5558c6ec099035852876824"
"""Of the 258 sentences that the photographs give, with what they mean."""


@pytest.fixture
def sources(shared_real: Path) -> list[str]:
    return ["--instances", str(shared_real / "instances.json"), "--images", str(shared_real / "images")]


def test_photographs_become_a_data_set_that_passes_the_check(cris: Cris, sources):
    outcome = cris("data", "coco", *sources, "--out", "made")
    assert outcome.code == 0, outcome.err
    dataset = StoredDataset(Path("made"))
    assert sum(counts.sentences for counts in dataset.manifest.splits.values()) == 258
    assert set(dataset.manifest.splits) == {"train", "val", "test"}
    said = [(each.picture_id, [(e.object_ids, e.sentences) for e in each.entries]) for each in dataset]
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    assert digest == DIGEST, "the sentences that models are measured on have changed"
    assert cris("data", "check", "made").code == 0


def test_for_training_there_are_many_sentences_and_absent_things(cris: Cris, sources):
    instances = json.loads(Path(sources[1]).read_text())
    chosen = sorted(instances["images"], key=lambda each: each["id"])[:12]
    for image in chosen[:6]:
        image["annotated"] = "person"
    ids = {image["id"] for image in chosen}
    instances["images"] = chosen
    instances["annotations"] = [each for each in instances["annotations"] if each["image_id"] in ids]
    Path("instances.json").write_text(json.dumps(instances))
    making = ("data", "coco", "--instances", "instances.json", *sources[2:], "--split-shares", "1", "0", "0")
    assert cris(*making, "--out", "plain").code == 0
    outcome = cris(*making, "--for-training", "--out", "rich")
    assert outcome.code == 0, outcome.err
    assert cris(*making, "--for-training", "--sentences-per-object", "3", "--out", "some").code == 0
    plain, rich, some = (StoredDataset(Path(name)) for name in ("plain", "rich", "some"))
    counts = [each.manifest.splits["train"].sentences for each in (plain, some, rich)]
    assert 3 * counts[0] < counts[1] < counts[2]
    assert rich.manifest.source.options["for_training"] is True
    assert "for_training" not in plain.manifest.source.options, "old data sets keep their fingerprint"
    absent = {each.picture_id: any(not e.object_ids for e in each.entries) for each in rich}
    partly = {image["id"] for image in chosen[:6]}
    assert not any(absent[number] for number in absent.keys() & partly)
    assert all(absent[number] for number in absent.keys() - partly)
    assert {each.annotated for each in rich} == {None, ("person",)}
    assert cris("data", "check", "rich").code == 0


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
    for wrong in (("--sentences", "s.csv", "--for-training"), ("--for-training", "--plural")):
        assert cris("data", "coco", *sources, *wrong, "--out", "bad").is_short_error(code=2)
    for wrong in (("0",), ("3", "--sentences", "s.csv")):
        outcome = cris("data", "coco", *sources, "--sentences-per-object", *wrong, "--out", "bad")
        assert outcome.is_short_error(code=2)
