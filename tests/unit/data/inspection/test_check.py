"""Each check finds the case planted for it, and nothing in a data set where all is well."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cris.data.inspection.check import check_dataset
from cris.data.inspection.findings import ERROR, NOTE, WARNING, Finding
from cris.data.inspection.leaks import image_hash, near_pairs
from cris.data.records import ImageRecord, ReferringEntry
from cris.data.store.manifest import SourceInfo
from cris.data.store.reading import StoredDataset
from cris.masks import encode_rle
from tests.fixtures.stored import (
    HEIGHT,
    SOURCE,
    WIDTH,
    encoded,
    record,
    records,
    with_entry,
    with_object,
    write,
)

FULL = encode_rle(np.ones((HEIGHT, WIDTH), dtype=bool))
EMPTY = encode_rle(np.zeros((HEIGHT, WIDTH), dtype=bool))
SHORT = {"size": [HEIGHT, WIDTH], "counts": "11"}
WHOLE_BOX = (0.0, 0.0, float(WIDTH), float(HEIGHT))


def check(folder: Path, images: list[ImageRecord], source: SourceInfo = SOURCE) -> list[Finding]:
    write(folder / "data", images, source)
    return check_dataset(StoredDataset(folder / "data"))


def test_nothing_is_found_where_all_is_well(tmp_path: Path) -> None:
    assert check(tmp_path, records(20)) == []


SAME_ON_ANOTHER = ReferringEntry(ref_id=99, object_ids=(91,), sentences=("Left  dog.",), split="train")
PLANTED = {
    "image cut short": (replace(record(9), image=encoded(9)[:-200]), "decode", ERROR, "incomplete"),
    "no image": (replace(record(9), image=b"no image"), "decode", ERROR, "something else"),
    "no bytes": (replace(record(9), image=b""), "decode", ERROR, "found nothing"),
    "sentence of signs": (with_entry(record(9), sentences=("12 …!",)), "letters", WARNING, "has no letters"),
    "empty mask": (with_object(record(9), rle=EMPTY), "mask", WARNING, "the mask is empty"),
    "full mask": (with_object(record(9), rle=FULL, box=WHOLE_BOX), "mask", WARNING, "the mask is full"),
    "runs that do not fill": (with_object(record(9), rle=SHORT), "mask", ERROR, "runs must add up"),
    "box aside": (with_object(record(9), box=(0.0, 25.0, 30.0, 20.0)), "box", WARNING, "round the mask's"),
    "xyxy box": (with_object(record(9), box=(20.0, 25.0, 50.0, 45.0)), "box", WARNING, "round the mask's"),
    "one sentence on two objects": (
        replace(record(9), entries=(*record(9).entries, SAME_ON_ANOTHER)),
        "ambiguous",
        WARNING,
        "is on the objects [90] and [91]",
    ),
    "in train and val": (
        with_entry(record(9), split="val"),
        "leak",
        WARNING,
        "the image is in train and val",
    ),
    "same file in val": (replace(record(9, "val"), image=encoded(2)), "leak", WARNING, "the same file"),
    "same file twice in train": (
        replace(record(9), image=encoded(2)),
        "near-duplicate",
        WARNING,
        "the same file",
    ),
    "other JPEG of it in val": (
        replace(record(9, "val"), image=encoded(2, "JPEG", 60)),
        "near-duplicate",
        WARNING,
        "looks like street-9.png (image 9), and they are in train and val",
    ),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_case_is_found_and_only_it(case: str, tmp_path: Path) -> None:
    planted, name, severity, what = PLANTED[case]
    (finding,) = check(tmp_path, [*(record(number) for number in range(6)), planted])
    assert (finding.check, finding.severity) == (name, severity)
    assert what in finding.what


def test_a_image_of_another_size_than_annotated_is_found(tmp_path: Path) -> None:
    rle = encode_rle(np.ones((HEIGHT + 1, WIDTH), dtype=bool))
    planted = replace(record(9), height=HEIGHT + 1, objects=(), entries=())
    assert [finding.what for finding in check(tmp_path, [record(0), planted])] == [
        f"height and width must be {HEIGHT + 1}×{WIDTH}, got {HEIGHT}×{WIDTH} once decoded"
    ]
    assert rle["size"] == [HEIGHT + 1, WIDTH]


def test_the_google_partition_leaks_by_design_and_it_says_so(tmp_path: Path) -> None:
    source = replace(SOURCE, files={"/data/refcocog/refs(google).p": "0" * 64})
    (finding,) = check(tmp_path, [record(0), with_entry(record(9), split="val")], source)
    assert (finding.check, finding.severity) == ("leak", NOTE)
    assert "leaks so by design: use umd to compare models" in finding.what


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight images in three shards."""
    monkeypatch.setattr("cris.data.store.writing.SHARD_IMAGES", 3)
    write(tmp_path / "data", records(8))
    return tmp_path / "data"


def test_a_changed_byte_is_found(folder: Path) -> None:
    path = folder / "pictures-00001.arrow"
    content = path.read_bytes()
    place = content.index(b"left dog")
    path.write_bytes(content[:place] + b"Left" + content[place + 4 :])
    (finding,) = check_dataset(StoredDataset(folder))
    assert (finding.check, finding.severity, finding.where) == ("files", ERROR, "pictures-00001.arrow")
    assert "sha256 must be the manifest's" in finding.what


@pytest.mark.parametrize("damage", ["missing", "cut", "zeros"])
def test_a_shard_that_cannot_be_read_is_found_and_the_others_are_checked(damage: str, folder: Path) -> None:
    path = folder / "pictures-00001.arrow"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else bytes(len(content)))
    findings = check_dataset(StoredDataset(folder))
    assert {finding.check for finding in findings} == {"files", "counts"}
    assert {finding.where for finding in findings if finding.check == "files"} == {"pictures-00001.arrow"}


def test_a_manifest_that_counts_wrongly_is_found(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["splits"]["val"]["sentences"] += 1
    path.write_text(json.dumps(content))
    (finding,) = check_dataset(StoredDataset(folder))
    assert (finding.check, finding.severity) == ("counts", ERROR)


def test_ids_that_are_there_twice_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = replace(record(9), picture_id=0)
    with monkeypatch.context() as writing:
        writing.setattr("cris.data.store.writing.Validator.check", lambda self, record: None)
        write(tmp_path / "data", [record(0), planted])
    (finding,) = check_dataset(StoredDataset(tmp_path / "data"))
    assert (finding.check, finding.severity) == ("fields", ERROR)
    assert "image id 0 is there twice" in finding.what


def test_every_pair_of_near_hashes_is_found_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cris.data.inspection.leaks._ROWS_AT_ONCE", 7)
    hashes = np.random.default_rng(0).integers(0, 2**63, (50, 2), dtype=np.uint64)
    hashes[33] = hashes[2] ^ np.uint64(0b1111)  # 4 bits of either half: 8
    hashes[49] = hashes[34] ^ np.array([0b11111, 0b1111], dtype=np.uint64)  # 9 bits
    assert list(near_pairs(hashes)) == [(2, 33)]


def test_the_hash_withstands_scaling_and_light_but_not_mirroring() -> None:
    import cv2

    grey = cv2.imdecode(np.frombuffer(encoded(3), np.uint8), cv2.IMREAD_GRAYSCALE)
    large = cv2.resize(grey, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    dark = (grey * 0.7).astype(np.uint8)

    def distance(one: np.ndarray, other: np.ndarray) -> int:
        return int(np.bitwise_count(image_hash(one) ^ image_hash(other)).sum())

    assert distance(grey, large) <= 4
    assert distance(grey, dark) <= 8
    assert distance(grey, np.ascontiguousarray(grey[:, ::-1])) > 30
