import io
import warnings
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import cris.batch.shard as shard_module
from cris.batch.job import Shard, plan_job
from cris.batch.sentences import Sentences
from cris.batch.shard import SCHEMA, segment_shard
from cris.masks import box_of, decode_rle
from cris.segmenter import Segmenter
from tests.fixtures.bulk import make_checkpoint, scene_pngs

SENTENCES = ("the red ring", "the blue square", "the largest star")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def segmenter(checkpoint: Path) -> Segmenter:
    return Segmenter.from_pretrained(checkpoint, "cpu")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content, _ in scene_pngs(11):
        (folder / name).write_bytes(content)
    return folder


def shard_of(source: Path, checkpoint: Path) -> Shard:
    (shard,) = plan_job(str(source), Sentences(for_all=SENTENCES), checkpoint).shards
    return shard


def rows(content: bytes) -> list[dict]:
    table = pq.read_table(io.BytesIO(content))
    assert table.schema.equals(SCHEMA)
    assert table.schema.metadata == SCHEMA.metadata
    return table.to_pylist()


def test_rows_are_what_the_segmenter_finds(source, checkpoint, segmenter):
    found = rows(segment_shard(segmenter, shard_of(source, checkpoint)))
    assert [(row["picture"], row["sentence"]) for row in found] == [
        (f"{number:05d}.png", sentence) for number in range(11) for sentence in SENTENCES
    ]
    for row in found[::5]:
        alone = segmenter.predict(source / row["picture"], row["sentence"])
        assert row["error"] is None
        assert row["score"] == pytest.approx(alone.score, rel=1e-4)
        mask = decode_rle(row["rle"])
        assert (mask != alone.mask).mean() < 1e-3
        assert tuple(row["box"]) == box_of(mask)


def test_the_same_shard_makes_the_same_bytes(source, checkpoint, segmenter):
    shard = shard_of(source, checkpoint)
    assert segment_shard(segmenter, shard) == segment_shard(segmenter, shard)


@pytest.mark.parametrize("held", [1, 160 * 160 * 5])
def test_how_much_is_held_at_a_time_changes_no_mask(held, source, checkpoint, segmenter, monkeypatch):
    shard = shard_of(source, checkpoint)
    expected = rows(segment_shard(segmenter, shard))
    monkeypatch.setattr(shard_module, "_HELD_PIXELS", held)
    for row, other in zip(rows(segment_shard(segmenter, shard)), expected, strict=True):
        assert row["score"] == pytest.approx(other["score"], rel=1e-4)
        assert (decode_rle(row["rle"]) != decode_rle(other["rle"])).mean() < 1e-3


def test_a_bad_image_costs_its_own_rows(source, checkpoint, segmenter):
    (source / "00003.png").write_bytes(b"no image")
    (source / "00004.png").write_bytes((source / "00005.png").read_bytes()[:200])
    (source / "00006.png").write_bytes(b"")
    shard = shard_of(source, checkpoint)
    (source / "00007.png").unlink()
    found = rows(segment_shard(segmenter, shard))
    bad = {row["picture"]: row["error"] for row in found if row["error"] is not None}
    assert list(bad) == ["00003.png", "00004.png", "00006.png", "00007.png"]
    assert "expected an image" in bad["00003.png"]
    assert "damaged or incomplete" in bad["00004.png"]
    assert "0 bytes" in bad["00006.png"]
    assert "gone" in bad["00007.png"]
    for row in found:
        is_empty = [row[name] is None for name in ("score", "rle")]
        assert is_empty == [row["picture"] in bad] * 2


def test_an_answer_that_is_no_number_stops_the_job(source, checkpoint, segmenter, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("the model's answer is not finite")

    monkeypatch.setattr("cris.segmenter.Segmenter.predict_batch", refuse)
    with warnings.catch_warnings(), pytest.raises(ValueError, match="not finite"):
        segment_shard(segmenter, shard_of(source, checkpoint))
