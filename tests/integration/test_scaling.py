"""The files of examples/scaling train with two processes on this machine, and outlive what stops them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "scaling"
RUN = ["scenes-tiny-fixed", "--log-every", "1", "--checkpoint-every", "1", "--device", "cpu"]
LOOK = ["--validation.every", "1000", "--validation.samples", "2"]
LOOK += ["--inference.input-size", "64", "--sampling.pictures", "2"]

# What the files start is stood in for by programs that fork theirs: torchrun itself, and a cluster of one
# machine, with SLURM's variables for each task and its exit code of the worst one.
FORKING = f"""#!{sys.executable}
from tests.fixtures.forked import forked_programs
"""
TORCHRUN = f"""{FORKING}
from torch.distributed.run import main
with forked_programs():
    main()
"""
SRUN = f"""{FORKING}
import os, shutil, signal, subprocess, sys
first = next(place for place, word in enumerate(sys.argv) if place and not word.startswith("--"))
command = [shutil.which(sys.argv[first]), *sys.argv[first + 1 :]]
with forked_programs():
    names = [{{"SLURM_PROCID": task, "SLURM_LOCALID": task, "SLURM_NODEID": "0"}} for task in "01"]
    tasks = [subprocess.Popen(command, env=os.environ | each) for each in names]
    signal.signal(signal.SIGTERM, lambda *_: [task.send_signal(signal.SIGTERM) for task in tasks])
    sys.exit(max(task.wait() for task in tasks))
"""
SCONTROL = """#!/usr/bin/env bash
echo "$@" >>"$REQUEUED"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def environment(tmp_path):
    """Variables with stand-ins and the programs of this Python first, and one thread for each process."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("torchrun", TORCHRUN), ("srun", SRUN), ("scontrol", SCONTROL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def lines_of(out):
    file = out / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_for_step(out, step, process):
    """Until a checkpoint of that step is there."""
    until = time.monotonic() + 1200
    while not (out / f"checkpoints/step-{step}").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)


def steps_of(out):
    return [line["step"] for line in lines_of(out) if "loss" in line]


def test_torchrun_begins_again_where_a_killed_process_left_off(tmp_path, environment):
    out = tmp_path / "run"
    process = subprocess.Popen(
        ["bash", EXAMPLES / "torchrun.sh", *RUN, *LOOK, "--out", out, "--max-steps", "8"],
        env=environment | {"PROCESSES": "2", "PORT": str(free_port())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for_step(out, 2, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    told = process.communicate(timeout=1200)[0]
    assert process.returncode == 0, told
    assert steps_of(out) == list(range(1, 9))
    assert told.count("Starting with 2 processes") == 2  # it did begin again
    assert sum("validation_mean_iou" in line for line in lines_of(out)) == 1


def test_a_slurm_job_saves_when_its_time_is_up_queues_again_and_goes_on(tmp_path, environment):
    out, requeued = tmp_path / "run", tmp_path / "requeued"
    told = environment | {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "cris",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODELIST": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "REQUEUED": str(requeued),
    }
    command = ["bash", EXAMPLES / "slurm.sh", *RUN, *LOOK, "--out", out, "--max-steps"]
    job = subprocess.Popen(
        [*command, "1000"], env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for_step(out, 2, job)
    (srun,) = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(srun), signal.SIGTERM)  # what `--signal=TERM@120` has SLURM send to the steps of the job
    assert job.wait(timeout=1200) == 143
    assert requeued.read_text() == "requeue 4711\n"
    reached = steps_of(out)[-1]
    again = subprocess.run([*command, str(reached + 2)], env=told, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert steps_of(out) == list(range(1, reached + 3))
