"""Preparation killed at random moments: the next run completes it, byte for byte."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fixtures.plugin import Proof

pytestmark = pytest.mark.usefixtures("forked_programs")
PREPARE = """
import sys
from pathlib import Path
import cris.data.store.writing as writer
from cris.data.sources.scenes import SceneSet
from cris.data.scenes import SceneKnobs

writer.SHARD_IMAGES = 8
scenes = SceneSet(counts={"train": 120}, sentences=2, seed=0, size=64, knobs=SceneKnobs())
writer.write_dataset(Path(sys.argv[1]), scenes.records, scenes.source, command="prepare", is_resuming=True)
"""


def start(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PREPARE, str(out)])


def wait_for_beginning(out: Path, process: subprocess.Popen[bytes]) -> None:
    while not out.with_name(f".{out.name}.partial").exists() and process.poll() is None:
        time.sleep(0.002)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_is_killed_is_completed_byte_for_byte(tmp_path: Path, prove: Proof) -> None:
    undisturbed = tmp_path / "undisturbed"
    process = start(undisturbed)
    wait_for_beginning(undisturbed, process)
    began = time.monotonic()
    assert process.wait() == 0
    duration = time.monotonic() - began
    expected = contents(undisturbed)
    assert len(expected) == 16
    draws, kills = random.Random(0), prove.count(full=20, quick=3)
    left: list[int] = []
    for attempt in range(10 * kills):
        out = tmp_path / f"killed-{attempt}"
        process = start(out)
        wait_for_beginning(out, process)
        time.sleep(draws.uniform(0, duration))
        process.kill()
        if process.wait() != -signal.SIGKILL:  # it had ended: another moment, and another folder
            continue
        assert not out.exists() or contents(out) == expected
        partial = out.with_name(f".{out.name}.partial")
        left.append(len(list(partial.glob("*.arrow"))))
        assert start(out).wait() == 0
        assert contents(out) == expected
        assert not partial.exists()
        if len(left) == kills:
            break
    assert len(left) == kills
    figure = f"{kills} of {kills} completed to the same bytes; shards left: {sorted(left)} of 15"
    prove.figure("preparation killed at random moments", figure)
