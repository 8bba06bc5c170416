import os
import unicodedata
from pathlib import Path

import pytest

from cris.batch.job import plan_job
from cris.batch.sentences import Sentences
from tests.fixtures.bulk import make_checkpoint

ALL = Sentences(for_all=("the red ring", "the blue square"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        path = folder / f"{number}.jpg"
        path.write_bytes(b"x")
        os.utime(path, (1, 1))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


def test_shards_hold_every_image_once_and_end_with_one(source, checkpoint):
    job = plan_job(str(source), ALL, checkpoint, shard_rows=3)
    assert [[task.image.id for task in shard.tasks] for shard in job.shards] == [
        ["0.jpg", "1.jpg"],
        ["2.jpg", "3.jpg"],
        ["4.jpg"],
    ]
    assert [shard.rows for shard in job.shards] == [4, 4, 2]
    assert (job.images, job.rows) == (5, 10)


def test_images_are_asked_what_names_them(source, checkpoint):
    asked = Sentences(by_image={"3.jpg": ("the dog",), "1.jpg": ("the cup", "the mug"), "x/9.jpg": ("it",)})
    (shard,) = plan_job(str(source), asked, checkpoint).shards
    assert [(task.image.id, task.sentences) for task in shard.tasks] == [
        ("1.jpg", ("the cup", "the mug")),
        ("3.jpg", ("the dog",)),
        ("x/9.jpg", ("it",)),
    ]
    assert [task.error is None for task in shard.tasks] == [True, True, False]


def test_sentences_of_other_images_are_refused(source, checkpoint):
    with pytest.raises(ValueError, match=r"none of the 5 images.*they name '9.jpg', there is '0.jpg'"):
        plan_job(str(source), Sentences(by_image={"9.jpg": ("the dog",)}), checkpoint)


def test_a_shard_without_rows_is_refused(source, checkpoint):
    with pytest.raises(ValueError, match="at least 1 row, got 0"):
        plan_job(str(source), ALL, checkpoint, shard_rows=0)


def test_a_job_is_known_by_its_fingerprint(source, checkpoint, tmp_path):
    def fingerprint(sentences: Sentences = ALL, model: Path = checkpoint, rows: int = 4) -> str:
        return plan_job(str(source), sentences, model, shard_rows=rows).fingerprint

    job = fingerprint()
    moved = source.rename(tmp_path / "moved")
    assert plan_job(str(moved), ALL, checkpoint, shard_rows=4).fingerprint == job
    moved.rename(source)
    others = {
        fingerprint(Sentences(for_all=ALL.for_all[::-1])),
        fingerprint(rows=5),
        fingerprint(model=make_checkpoint(tmp_path / "other", seed=1)),
    }
    os.utime(source / "2.jpg", (2, 2))
    others.add(fingerprint())
    (source / "2.jpg").unlink()
    others.add(fingerprint())
    assert len(others - {job}) == 5


def test_images_are_asked_by_their_name_in_any_writing(source, checkpoint):
    (source / "sub").mkdir()
    decomposed = unicodedata.normalize("NFD", "Übung.jpg")
    (source / "sub" / decomposed).touch()
    asked = Sentences(by_image={"sub\\Übung.jpg": ("the cup",), f"sub/{decomposed}": ("the dog", "the cup")})
    (shard,) = plan_job(str(source), asked, checkpoint).shards
    assert [(task.image.id, task.sentences) for task in shard.tasks] == [
        (f"sub/{decomposed}", ("the cup", "the dog"))
    ]
