import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cris.cli import main
from tests.cli.conftest import Cris
from tests.cli.test_eval import assert_same

pytestmark = pytest.mark.usefixtures("forked_programs")

COUNT = 128  # four parts
PATIENCE_SECONDS = 300


@pytest.fixture(scope="module")
def whole(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of an evaluation that nothing killed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    evaluate = ["eval", str(checkpoint), "scenes", "--limit", str(COUNT), "--processes", "1"]
    assert main([*evaluate, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGKILL, "1"), (signal.SIGKILL, "2"), (signal.SIGTERM, "2")]
)
def test_a_killed_evaluation_goes_on_to_the_same_files(
    number: signal.Signals, processes: str, cris: Cris, checkpoint: Path, whole: Path
) -> None:
    evaluate = ("eval", str(checkpoint), "scenes", "--limit", str(COUNT), "--out", "out", "--processes")
    killed = subprocess.Popen(
        [sys.executable, "-m", "cris", *evaluate, processes],
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

    assert cris(*evaluate, processes, "--resume").code == 0
    assert_same("out", whole)
    assert sorted(path.name for path in Path("out").iterdir()) == ["_results.json", "rows.parquet"]
