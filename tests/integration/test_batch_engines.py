"""A bulk job on processes and on a Ray cluster: whatever dies, the same rows, each once."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cris.cli import main
from tests.fixtures.bulk import (
    make_checkpoint,
    rows_of,
    scene_pngs,
    shard_files,
    write_parquet,
    write_sentences,
)
from tests.fixtures.plugin import IS_FULL_SIZE, Proof

pytestmark = pytest.mark.usefixtures("forked_programs")

LONGEST_S = 3600
STARTS = 4
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Ray's ports on loopback alone, and nothing told to its makers."""


class Bulk:
    """A folder with scenes to ask, a model, and the command that does it."""

    def __init__(self, folder: Path, count: int, shard_rows: int) -> None:
        self.folder = folder
        scenes = scene_pngs(count)
        half = count // 2
        (folder / "in").mkdir()
        write_parquet(folder / "in" / "scenes.parquet", scenes[:half])
        for name, content, _ in scenes[half:]:
            (folder / "in" / name).write_bytes(content)
        self.broken = scenes[-1][0]
        (folder / "in" / self.broken).write_bytes(b"no image")
        write_sentences(folder / "asked.jsonl", scenes)
        make_checkpoint(folder / "tiny")
        self.options = ["--sentences", "asked.jsonl", "--model", "tiny", "--device", "cpu"]
        self.options += ["--shard-rows", str(shard_rows)]
        self.shards = -(-count // shard_rows)
        self.count = count
        self.duration = 0.0

    def start(self, out: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cris", "batch", "in", out, *self.options, *options],
            cwd=self.folder,
            env=os.environ | LOOPBACK,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, out: str, *options: str) -> None:
        """Does it in this process, which has imported what it takes."""
        with contextlib.chdir(self.folder):
            assert main(["batch", "in", out, *self.options, *options]) == 0

    def wait(self, process: subprocess.Popen[str]) -> None:
        _, told = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 0, told

    def wait_for(self, out: str, shards: int, process: subprocess.Popen[str]) -> int:
        """Waits until so many shards are there; returns how many."""
        while len(shard_files(self.folder / out)) < shards:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        return len(shard_files(self.folder / out))

    def check(self, out: str, expected: str) -> None:
        assert shard_files(self.folder / out) == shard_files(self.folder / expected)
        rows = rows_of(self.folder / out)
        assert len({(row["picture"], row["sentence"]) for row in rows}) == len(rows) == self.count
        assert [row["picture"] for row in rows if row["error"]] == [self.broken]
        assert not list((self.folder / out).glob(".*"))


class LoopbackCluster:
    """Two nodes of one core each, on loopback; the second can die."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster()
        try:
            self.nodes = [self.add(), self.add()]
        except BaseException:
            self.cluster.shutdown()
            raise

    def add(self) -> Any:
        without = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        return self.cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1", **without)

    def kill_one(self) -> None:
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackCluster]:
    for name, value in LOOPBACK.items():
        monkeypatch.setenv(name, value)
    for left in reversed(range(STARTS)):  # Ray gives up a start that takes it more than half a minute
        try:
            made = LoopbackCluster()
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
        else:
            break
    yield made
    made.cluster.shutdown()


@pytest.fixture(scope="module")
def bulk(tmp_path_factory: pytest.TempPathFactory) -> Bulk:
    """A job that was done once, undisturbed."""
    count, shard_rows = (5000, 100) if IS_FULL_SIZE else (40, 4)
    bulk = Bulk(tmp_path_factory.mktemp("bulk"), count, shard_rows)
    began = time.monotonic()
    bulk.run("undisturbed", "--processes", "2")
    bulk.duration = time.monotonic() - began
    bulk.check("undisturbed", "undisturbed")
    return bulk


def test_a_killed_command_goes_on_and_ends_alike(bulk: Bulk, prove: Proof) -> None:
    process = bulk.start("killed", "--processes", "2")
    bulk.wait_for("killed", bulk.shards // 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = len(shard_files(bulk.folder / "killed"))
    assert left < bulk.shards
    bulk.run("killed", "--processes", "1", "--resume")
    bulk.check("killed", "undisturbed")
    prove.figure(
        "bulk on two processes, killed and begun again",
        f"{bulk.count} rows equal; {left} of {bulk.shards} shards kept; undisturbed {bulk.duration:.0f} s",
    )


def test_a_cluster_whose_command_and_node_are_killed_ends_alike(
    bulk: Bulk, cluster: LoopbackCluster, prove: Proof
) -> None:
    ray = ("--engine", "ray", "--address", cluster.cluster.address, "--cpus", "0.9")

    process = bulk.start("ray", *ray)
    bulk.wait_for("ray", bulk.shards // 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = len(shard_files(bulk.folder / "ray"))
    assert left < bulk.shards

    process = bulk.start("ray", *ray, "--resume")
    bulk.wait_for("ray", left + 1, process)
    cluster.kill_one()
    there = len(shard_files(bulk.folder / "ray"))
    bulk.wait(process)
    assert there < bulk.shards
    bulk.check("ray", "undisturbed")
    prove.figure(
        "bulk on two Ray nodes, the command killed and begun again, then a node killed",
        f"{bulk.count} rows equal to local ones; killed after {left} and {there} of {bulk.shards} shards",
    )
