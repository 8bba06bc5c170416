import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Cris
from tests.cli.test_eval import assert_same

COUNT = 320  # ten parts
PATIENCE_SECONDS = 300


@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGKILL, "1"), (signal.SIGKILL, "2"), (signal.SIGTERM, "2")]
)
def test_a_killed_evaluation_goes_on_to_the_same_files(
    number: signal.Signals, processes: str, cris: Cris, checkpoint: Path
) -> None:
    evaluate = ("eval", str(checkpoint), "scenes", "--limit", str(COUNT), "--processes", processes)
    killed = subprocess.Popen(
        [sys.executable, "-m", "cris", *evaluate, "--out", "out"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ends = time.monotonic() + PATIENCE_SECONDS
        while not list(Path("out/.unfinished").glob("[!.]*.parquet")):
            assert killed.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.01)
        killed.send_signal(number)
        code = killed.wait(PATIENCE_SECONDS)
    finally:
        killed.kill()
    assert code == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    assert not Path("out/_results.json").exists()

    assert cris(*evaluate, "--out", "out", "--resume").code == 0
    assert cris(*evaluate, "--out", "whole").code == 0
    assert_same("out", "whole")
    assert sorted(path.name for path in Path("out").iterdir()) == ["_results.json", "rows.parquet"]
