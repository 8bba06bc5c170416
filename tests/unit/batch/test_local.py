import os
import signal
from pathlib import Path

import pytest
import torch

import cris.batch.local as local
from cris.batch.job import Shard, plan_job
from cris.batch.local import LocalEngine
from cris.batch.sentences import Sentences
from cris.batch.shard import segment_shard
from cris.errors import InputError
from cris.segmenter import Segmenter
from cris.workers import ATTEMPTS
from tests.fixtures.bulk import make_checkpoint, scene_pngs


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def shards(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shard, ...]:
    folder = tmp_path_factory.mktemp("in")
    for name, content, _ in scene_pngs(8):
        (folder / name).write_bytes(content)
    return plan_job(str(folder), Sentences(for_all=("the red ring",)), checkpoint, shard_rows=2).shards


def test_processes_make_what_one_would_also_when_one_is_killed(shards, checkpoint):
    engine = LocalEngine(checkpoint=checkpoint, device="cpu", processes=2)
    segmenter = Segmenter.from_pretrained(checkpoint, "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes
    expected = {shard.number: segment_shard(segmenter, shard) for shard in shards}
    torch.set_num_threads(threads)
    made = {}
    for number, content in engine.run(shards):
        assert number not in made
        if not made:
            os.kill(children()[0], signal.SIGKILL)
        made[number] = content
    assert made == expected
    assert children() == []


def test_a_shard_at_which_processes_die_is_named(shards, checkpoint, monkeypatch):
    monkeypatch.setattr(local, "_set_up", dies)
    engine = LocalEngine(checkpoint=checkpoint, device="cpu", processes=1)
    told = rf"{ATTEMPTS} processes died at the images 00000\.png to 00001\.png"
    with pytest.raises(ValueError, match=told):
        list(engine.run(shards))
    assert children() == []


def test_an_error_in_a_process_ends_the_job(shards, checkpoint):
    engine = LocalEngine(checkpoint=checkpoint / "nowhere", device="cpu", processes=2)
    with pytest.raises(InputError, match="nowhere") as caught:
        list(engine.run(shards))
    assert "in a worker process" in "".join(caught.value.__notes__)
    assert children() == []


def test_nothing_left_to_do_starts_nothing(checkpoint):
    assert list(LocalEngine(checkpoint=checkpoint, device="cpu").run([])) == []


def test_what_is_left_early_leaves_no_process(shards, checkpoint):
    running = LocalEngine(checkpoint=checkpoint, device="cpu", processes=1).run(shards)
    next(running)
    assert len(children()) == 1
    running.close()
    assert children() == []


def dies(*_: object) -> None:
    os.abort()


def children() -> list[int]:
    """Ids of the living processes that we started."""
    import multiprocessing

    return [process.pid for process in multiprocessing.active_children() if process.pid]
