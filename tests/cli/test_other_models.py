"""A text-prompted model of transformers, tiny and random, through every command; and as a teacher."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cris import Segmenter
from cris.data.store.reading import StoredDataset
from tests.cli.conftest import Cris
from tests.fixtures.bulk import rows_of
from tests.fixtures.plugin import Proof
from tests.fixtures.prompted import make_clipseg, make_detector, make_sam
from tests.fixtures.served import served

SENTENCES = ["the red dog", "left dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clipseg(tmp_path_factory.mktemp("prompted") / "clipseg").resolve()


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five images in the folder photos, and one file that is none; a cache of downloads of one's own."""
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    for number in range(5):
        coarse = np.random.default_rng(number).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((80, 60), Image.Resampling.NEAREST)
        image.save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "2-damaged.png").write_text("no image")
    (tmp_path / "asked.txt").write_text("\n".join(SENTENCES) + "\n")
    return tmp_path / "photos"


def masks_of(folder: Path, photos: Path) -> dict[tuple[str, str], dict]:
    """What Python finds, by image and sentence."""
    segmenter = Segmenter.from_pretrained(f"hf:{folder}", "cpu")
    return {
        (path.name, found.sentence): dict(found.to_rle())
        for path in sorted(photos.glob("?.png"))
        for found in segmenter.predict(path, SENTENCES)
    }


def test_the_command_line_bulk_and_the_server_find_what_python_finds(
    cris: Cris, folder: Path, photos: Path
) -> None:
    expected, model = masks_of(folder, photos), f"hf:{folder}"
    assert len({json.dumps(rle) for rle in expected.values()}) > 5

    outcome = cris("segment", "photos/0.png", *SENTENCES, "--model", model, "--json", "--device", "cpu")
    assert (outcome.code, outcome.err) == (0, "")
    (entry,) = json.loads(outcome.out)["pictures"]
    assert [result["rle"] for result in entry["results"]] == [expected["0.png", each] for each in SENTENCES]

    one = ("--processes", "1", "--device", "cpu")
    outcome = cris("batch", "photos", "out", "--sentences", "asked.txt", "--model", model, *one)
    assert outcome.code == 0
    rows = {(row["name"], row["sentence"]): row for row in rows_of(Path("out"))}
    assert {key: dict(row["rle"]) for key, row in rows.items() if row["rle"]} == expected
    assert rows["2-damaged.png", SENTENCES[0]]["error"]

    with served("--no-page", "--device", "cpu", model=model) as running, running.client() as client:
        running.wait_until_ready(client)
        answer = running.segment(client, (photos / "1.png").read_bytes(), *SENTENCES).json()
    found = [result["rle"] for result in answer["results"]]
    assert found == [expected["1.png", sentence] for sentence in SENTENCES]


def test_on_ray_it_gives_the_rows_of_processes(cris: Cris, folder: Path, photos: Path, prove: Proof) -> None:
    if not prove.is_full:
        pytest.skip("starts a cluster: make prove")
    job = ("--sentences", "asked.txt", "--model", f"hf:{folder}", "--device", "cpu")
    assert cris("batch", "photos", "here", *job, "--processes", "1").code == 0
    assert cris("batch", "photos", "ray", *job, "--engine", "ray", "--cpus", "0.5").code == 0
    (here,), (ray,) = (Path(each).glob("*.parquet") for each in ("here", "ray"))
    assert ray.read_bytes() == here.read_bytes()
    prove.figure("rows of a hub's model on Ray, equal to those of processes", len(rows_of(Path("ray"))))


def test_evaluations_of_it_and_of_ours_are_compared(cris: Cris, folder: Path, checkpoint: Path) -> None:
    options = ("scenes", "--limit", "4", "--device", "cpu", "--processes", "1")
    outcome = cris("eval", f"hf:{folder}", *options, "--out", "theirs")
    assert (outcome.code, outcome.err) == (0, "")
    assert cris("eval", checkpoint, *options, "--out", "ours").code == 0
    record = json.loads(Path("theirs/_results.json").read_text())
    assert (record["model"], record["input_size"], record["threshold"]) == (f"hf:{folder}", 64, 0.5)
    assert record["ceiling"] > json.loads(Path("ours/_results.json").read_text())["ceiling"]
    compared = json.loads(cris("compare", "theirs", "ours", "--json").out)
    assert compared["differences"]["mean_iou"]["change"] != 0
    outcome = cris("eval", f"hf:{folder}", "scenes", "--choose-threshold")
    assert outcome.is_short_error(2)


def test_what_a_teacher_finds_trains_a_student(cris: Cris, folder: Path, photos: Path) -> None:
    label = ("data", "label", "photos", "--sentences", "asked.txt", "--model", f"hf:{folder}")
    options = ("--device", "cpu", "--split-shares", "0.6", "0.4", "0", "--min-score", "0.2")
    outcome = cris(*label, *options, "--out", "labels", "--json")
    assert outcome.code == 0
    manifest = json.loads(outcome.out)
    name, (revision,) = manifest["source"]["options"]["teacher"]
    assert name == f"hf:{folder}"
    assert revision.startswith("clipseg@")
    assert manifest["source"]["options"]["min_score"] == 0.2
    assert manifest["left_out"]["images"]["count"] == 1
    assert "2-damaged.png" in manifest["left_out"]["images"]["first"]
    expected, kept = masks_of(folder, photos), 0
    for record in StoredDataset("labels"):
        assert record.annotated == ()
        assert record.scores is not None
        for entry, score in zip(record.entries, record.scores, strict=True):
            (sentence,), (number,) = entry.sentences, entry.object_ids
            (target,) = [each for each in record.objects if each.id == number]
            assert dict(target.rle) == expected[record.file_name, sentence]
            assert score >= 0.2
            kept += 1
    assert kept == sum(split["sentences"] for split in manifest["splits"].values()) > 5
    assert cris("data", "check", "labels").code == 0

    assert cris(*label, *options, "--out", "labels").is_short_error()
    assert json.loads(cris(*label, *options, "--out", "labels", "--resume", "--json").out) == manifest

    steps = ("--max-steps", "2", "--sampling.pictures", "2", "--sampling.sentences", "1", "--device", "cpu")
    outcome = cris("train", "finetune", "--from", "cris-scenes", "--data", "labels", "--out", "run", *steps)
    assert outcome.code == 0, outcome.err
    assert cris("segment", "photos/0.png", SENTENCES[0], "--model", "run", "--json").code == 0


def test_a_floor_leaves_out_and_absence_is_kept_when_asked_for(
    cris: Cris, folder: Path, checkpoint: Path
) -> None:
    label = ("data", "label", "photos", "--sentences", "asked.txt", "--device", "cpu")
    outcome = cris(*label, "--model", checkpoint, "--min-score", "1", "--out", "none")
    assert outcome.code == 0
    assert "10 of 10 sentences have no mask" in outcome.err  # those about the damaged file are not counted
    # at a threshold of 1 no pixel is found
    absent = ("--threshold", "1", "--no-target")
    outcome = cris(*label, "--model", f"hf:{folder}", *absent, "--out", "absent", "--json")
    assert outcome.code == 0
    entries = [entry for record in StoredDataset("absent") for entry in record.entries]
    assert len(entries) == 10
    assert "have no mask" not in outcome.err
    assert all(entry.object_ids == () for entry in entries)


def test_a_model_that_cannot_be_asked_by_text_is_told_in_one_line(
    cris: Cris, folder: Path, tmp_path: Path
) -> None:
    detector = make_detector(tmp_path / "detector").resolve()
    sam = make_sam(tmp_path / "sam").resolve()
    other = tmp_path / "resnet"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "resnet"}')
    (other / "model.safetensors").write_bytes(b"")
    broken = make_clipseg(tmp_path / "broken").resolve()
    (broken / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    unprepared = make_clipseg(tmp_path / "unprepared").resolve()
    (unprepared / "preprocessor_config.json").write_text('{"size": {"shortest": 4}}')
    for address, words in {
        f"hf:{detector}": "finds boxes, not masks: add SAM",
        f"hf:{sam}": "takes boxes, not text: name a detector before it",
        f"hf:{sam}+{detector}": "is of kind 'sam' and 'grounding-dino'",
        f"hf:{other}": "must be CLIPSeg, SAM 3, or Grounding DINO with SAM",
        f"hf:{broken}": "transformers cannot open broken@",
        f"hf:{unprepared}": "size must be height and width, or edges, in pixels, got {'shortest': 4}",
    }.items():
        outcome = cris("segment", "photos/0.png", "left dog", "--model", address)
        assert outcome.is_short_error(), outcome.err
        assert words in outcome.err
    outcome = cris("export", f"hf:{folder}", "--format", "onnx", "--out", "x")
    assert outcome.is_short_error(), outcome.err
    outcome = cris("calibrate", f"hf:{folder}", "scenes", "--out", "x")
    assert outcome.is_short_error(2), outcome.err
    assert "name a folder of yours" in outcome.err
