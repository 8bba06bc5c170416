"""Two processes learn what one learns."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cris.cli import main
from tests.integration.test_train import SMALL_RUN

pytestmark = pytest.mark.usefixtures("forked_programs")

EXACT = [
    *("--precision", "fp64", "--sampling.pictures", "4", "--sampling.sentences", "2"),
    *("--checkpoint-every", "1000", "--validation.samples", "1", "--schedule.warmup-steps", "1"),
]


def final_weights(data: Path, out: Path, processes: int, *options: str) -> torch.Tensor:
    """All weights after a run, in a row."""
    command = ["train", "cris-scenes", "--data", str(data), "--out", str(out)]
    command += [*SMALL_RUN, *EXACT, *options, "--processes", str(processes)]
    if processes == 1:
        assert main(command) == 0
    else:  # the second process runs the command of the first again
        done = subprocess.run([sys.executable, "-m", "cris", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    state = torch.load(out / "checkpoints/last/train_state.pt")["learner"]["model"]
    return torch.cat([value.flatten() for value in state.values() if value.is_floating_point()])


@pytest.mark.parametrize(
    ("norms", "options", "least", "most"),
    [("frozen", ["--freeze-norms"], 0.0, 1e-9), ("of each process's part", [], 0.01, 0.5)],
    ids=["frozen", "own"],
)
def test_two_processes_end_with_the_weights_of_one_but_for_batch_statistics(
    norms: str, options: list[str], least: float, most: float, tmp_path: Path, prove
) -> None:
    steps = prove.count(full=20, quick=6)
    data = tmp_path / "data"
    scenes = ["--count", "8", "--split", "train", "val", "--size", "96", "--out", str(data)]
    assert main(["data", "scenes", *scenes]) == 0
    one, two = (
        final_weights(data, tmp_path / str(count), count, *options, "--max-steps", str(steps))
        for count in (1, 2)
    )
    assert one.dtype == torch.float64
    difference = float((one - two).norm() / one.norm())
    prove.figure(
        f"two processes against one, all weights after {steps} steps in float64, statistics {norms}",
        f"{difference:.1e}",
    )
    assert least <= difference <= most
