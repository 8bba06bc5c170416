"""A training of an experiment ends as it should, whatever ends it, in one process or several."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from cris.errors import InputError
from cris.studies.stages import TrainingStage
from cris.training.train import configured
from tests.fixtures.served import wait_for
from tests.fixtures.sessions import session_of

pytestmark = pytest.mark.usefixtures("forked_programs")
TINY = {"device": "cpu", "inference": {"input_size": 64}, "sampling": {"pictures": 2}, "log_every": 1}
SMALL = configured("scenes-tiny-fixed", max_steps=2, validation={"samples": 2}, **TINY)


def stage(out, **options):
    return TrainingStage(config=replace(SMALL, **options), data=["scenes"], out=out, progress=False)


def test_two_processes_train_together_without_starting_the_program_again(tmp_path):
    stage(tmp_path, processes=2).run()
    assert (tmp_path / "checkpoints" / "last" / "model.safetensors").exists()
    assert (tmp_path / "metrics.jsonl").read_text().count('"loss"') == 2


def test_an_error_in_one_of_several_processes_is_that_of_the_stage(tmp_path):
    with pytest.raises(InputError, match=r"sampling\.pictures must divide by 2 processes"):
        stage(tmp_path, processes=2, sampling=replace(SMALL.sampling, pictures=3)).run()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_ends_the_experiment_saves_its_training_first(number, code, tmp_path):
    out = tmp_path / "ablation"
    small = ["--inference.input-size=64", "--sampling.pictures=2", "--log-every=1", "--device=cpu"]
    command = [sys.executable, "-m", "cris", "ablate", "scenes-tiny-fixed", "--out", str(out), "--", *small]
    experiment = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        metrics = out / "neither" / "run" / "metrics.jsonl"
        while not (metrics.exists() and metrics.read_text().count("\n") >= 2):
            assert experiment.poll() is None
            time.sleep(0.1)
        experiment.send_signal(number)
        assert experiment.wait(60) == code
    finally:
        experiment.kill()
    assert (out / "neither" / "run" / "checkpoints" / "last" / "model.safetensors").exists()
    assert not (out / "contrastive").exists()


def test_several_processes_end_with_the_experiment_and_save(tmp_path):
    code = f"""
import signal, sys
from pathlib import Path
from cris.studies.stages import TrainingStage
from cris.training.train import configured
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    config = configured("scenes-tiny-fixed", processes=2, **{TINY!r})
    TrainingStage(config=config, data=["scenes"], out=Path({str(tmp_path)!r}), progress=False).run()
"""
    script = tmp_path / "experiment.py"
    script.write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    experiment = subprocess.Popen([sys.executable, str(script)], env=environment, start_new_session=True)
    try:
        metrics = tmp_path / "metrics.jsonl"
        while not (metrics.exists() and metrics.read_text().count("\n") >= 2):
            assert experiment.poll() is None
            time.sleep(0.1)
        experiment.send_signal(signal.SIGTERM)
        assert experiment.wait(60) == 143
    finally:
        experiment.kill()
    assert (tmp_path / "checkpoints" / "last" / "model.safetensors").exists()
    wait_for(lambda: not session_of(experiment))
