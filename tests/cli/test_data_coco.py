"""`cris data coco`, all the way."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

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
        for entry in dataset.image(number).entries
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


def write_few(count: int) -> list[str]:
    """Options for some small images with a square each, and a sentence about it."""
    Path("few").mkdir()
    images, annotations, rows = [], [], ["image,annotation_id,sentence"]
    for number in range(count):
        Image.new("RGB", (40, 30), "red").save(f"few/{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 30, "width": 40})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [5, 5, 10, 10],
                "segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]],
            }
        )
        rows.append(f"{number}.png,{number}.0,the square")
    categories = [{"id": 1, "name": "square"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    Path("few.json").write_text(json.dumps(content))
    Path("few.csv").write_text("\n".join(rows) + "\n")
    return ["--instances", "few.json", "--images", "few", "--sentences", "few.csv"]


def test_what_is_skipped_is_counted_in_the_manifest_and_told_in_one_line(cris: Cris):
    sources = write_few(10)
    content = json.loads(Path("few.json").read_text())
    content["annotations"][3]["segmentation"] = [[90, 5, 99, 5, 99, 9]]
    content["annotations"][4]["segmentation"].append([7, 7])
    Path("few.json").write_text(json.dumps(content))
    with Path("few.csv").open("a") as file:
        file.write("1.png,1,the square, red\n")
    Path("few/7.png").write_bytes(b"no image")
    refused = cris("data", "coco", *sources, "--out", "made")
    assert refused.is_short_error()
    assert "row 12 must have 3 fields" in refused.err
    assert refused.err.endswith("; pass --skip-invalid to leave out what is invalid\n")
    outcome = cris("data", "coco", *sources, "--out", "made", "--skip-invalid")
    assert outcome.code == 0, outcome.err
    assert sum("left out" in line for line in outcome.err.splitlines()) == 1
    manifest = StoredDataset(Path("made")).manifest
    assert {kind: each.count for kind, each in manifest.left_out.items()} == {
        "sentences": 3,
        "annotations": 1,
        "polygons": 1,
        "images": 1,
    }
    assert outcome.err.startswith("cris: warning: left out: 3 sentences (few.csv: row 12 must have 3 fields")
    assert "1 annotation (few.json: annotations row 3: segmentation's polygons must lie" in outcome.err
    assert manifest.pictures == 8
    assert cris("data", "check", "made").code == 0
    again = cris("data", "coco", *sources, "--out", "made", "--skip-invalid", "--resume")
    assert (again.code, again.err) == (0, outcome.err)


def test_of_good_files_nothing_is_left_out_or_told(cris: Cris):
    outcome = cris("data", "coco", *write_few(10), "--out", "made")
    assert (outcome.code, outcome.err) == (0, "")
    assert "left_out" not in json.loads(Path("made/manifest.json").read_text())


@pytest.mark.parametrize(("count", "told"), [(1, "val and test got no image"), (2, "test got no"), (5, "")])
def test_splits_that_get_no_image_are_told(cris: Cris, count: int, told: str):
    outcome = cris("data", "coco", *write_few(count), "--out", "made")
    assert outcome.code == 0, outcome.err
    assert told in outcome.err
    assert bool(told) == ("--validation.split train" in outcome.err)


@pytest.mark.parametrize("row", ["annotations", "images"])
def test_ids_beyond_64_bits_leave_nothing_behind(cris: Cris, row: str):
    sources = write_few(3)
    content = json.loads(Path("few.json").read_text())
    content[row][1]["id"] = 2**64
    Path("few.json").write_text(json.dumps(content))
    outcome = cris("data", "coco", *sources, "--out", "made")
    assert outcome.is_short_error()
    assert f"{row} row 1: id must be a whole number of at most 64 bits" in outcome.err
    assert not list(Path().glob("*made*"))
