"""The command trains, stops, goes on as if it had not stopped, and refuses what is not its run."""

import json
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from cris.cli import main

EVERY_TWO = ["--max-steps", "4", "--checkpoint-every", "2"]
SMALL_RUN = ["--pictures", "2", "--sentences", "2", "--validation-samples", "2", "--device", "cpu"]


def train(out, *options):
    """The exit code of a small run."""
    return main(["train", "cris-scenes", "--out", str(out), *SMALL_RUN, *options])


def start(out, *options):
    """A small run in a process of its own."""
    command = [sys.executable, "-m", "cris", "train", "cris-scenes", "--out", str(out)]
    return subprocess.Popen([*command, *SMALL_RUN, *options], stdout=subprocess.PIPE, text=True)


def test_stopping_and_going_on_ends_with_the_same_weights(tmp_path):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert train(straight, *EVERY_TWO) == 0
    process = start(stopped, *EVERY_TWO)
    metrics = stopped / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and "validation" in metrics.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert train(stopped, *EVERY_TWO, "--resume", "auto") == 0
    ours, theirs = (load_file(run / "checkpoints/last/model.safetensors") for run in (stopped, straight))
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    steps = [line["step"] for line in map(json.loads, metrics.read_text().splitlines())]
    assert steps[-1] == 4


def test_sigterm_saves_and_leaves_with_its_code(tmp_path):
    out = tmp_path / "run"
    process = start(out, "--max-steps", "100000", "--checkpoint-every", "100000")
    assert "step 10" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert (out / "checkpoints/last/model.safetensors").is_file()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of one step."""
    out = tmp_path_factory.mktemp("run")
    assert train(out, "--max-steps", "1") == 0
    return out


def test_a_folder_with_a_run_is_refused_unless_resumed(finished, capsys):
    assert train(finished, "--max-steps", "1") == 1
    assert "holds a run: pass --resume auto" in capsys.readouterr().err


def test_another_configuration_is_refused(finished, capsys):
    assert train(finished, "--max-steps", "2", "--resume", "auto", "--seed", "5") == 1
    assert "a run of another configuration" in capsys.readouterr().err


def test_a_run_can_begin_with_the_weights_of_another(finished, tmp_path):
    last = finished / "checkpoints/last"
    assert train(tmp_path, "--from", str(last), "--max-steps", "1", "--learning-rate", "1e-12") == 0
    ours, theirs = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "checkpoints/last", last)
    )
    assert ours["neck.sentence.weight"].allclose(theirs["neck.sentence.weight"], atol=1e-8)


def test_unknown_recipes_and_data_are_named(tmp_path, capsys):
    assert main(["train", "cris-scene", "--out", str(tmp_path)]) == 2
    assert "there is no recipe 'cris-scene'" in capsys.readouterr().err
    assert main(["train", "cris-scenes", "--data", "photos", "--out", str(tmp_path)]) == 2
    assert "cris-scenes trains on scenes" in capsys.readouterr().err


def test_finetuning_on_a_data_set_goes_on_with_a_model(finished, tmp_path, capsys):
    data, out, last = tmp_path / "data", tmp_path / "run", finished / "checkpoints/last"
    scenes = ["--count", "4", "--split", "train", "val", "--size", "96", "--out", str(data)]
    assert main(["data", "scenes", *scenes]) == 0
    options = ["--from", str(last), "--data", str(data), "--out", str(out), "--max-steps", "2", *SMALL_RUN]
    assert main(["train", "finetune", *options]) == 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert "validation_mean_iou" in lines[-1]
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (out / "checkpoints/last", last))
    assert ours.keys() == theirs.keys()
    assert not ours["neck.sentence.weight"].equal(theirs["neck.sentence.weight"])
    assert main(["train", "finetune", "--out", str(tmp_path / "other")]) == 2
    assert "finetune needs a model and a data set" in capsys.readouterr().err
