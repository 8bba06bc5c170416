"""A stage ends as its command does, whatever ends it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cris.studies.stages import run_stage


def test_a_stage_tells_its_command_and_writes_nothing_to_stdout(capfd):
    run_stage(["models", "--json"])
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("$ cris models --json\n")
    assert "cris-scenes" in err


def test_a_stage_that_fails_ends_the_experiment_with_its_code(capfd):
    with pytest.raises(SystemExit) as ended:
        run_stage(["eval", "no-such-model", "scenes"])
    assert ended.value.code == 1
    assert "cris: error: " in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_ends_the_experiment_ends_its_stage_first(number, tmp_path):
    """The stage, a training run, saves before both have ended."""
    out = tmp_path / "run"
    command = ["train", "scenes-tiny-fixed", "--out", str(out), "--sampling.pictures=2", "--log-every=1"]
    code = (
        f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); "
        f"signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"from cris.studies.stages import run_stage; run_stage({command!r})"
    )
    experiment = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        metrics = out / "metrics.jsonl"
        while not (metrics.exists() and metrics.read_text().count("\n") >= 2):
            assert experiment.poll() is None
            time.sleep(0.1)
        experiment.send_signal(number)
        assert experiment.wait(60) != 0
    finally:
        experiment.kill()
    assert (out / "checkpoints" / "last" / "model.safetensors").exists()
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(out) not in left
