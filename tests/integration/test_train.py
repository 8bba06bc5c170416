"""The command trains, stops, goes on as if it had not stopped, and refuses what is not its run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cris.cli import main
from tests.fixtures.stored import records, write

pytestmark = pytest.mark.usefixtures("forked_programs")

SMALL_RUN = [
    *("--sampling.pictures", "2", "--sampling.sentences", "2", "--validation.samples", "2"),
    *("--model.image.width", "8", "--model.text.layers", "1", "--model.text.width", "64"),
    *("--model.joint-dim", "64", "--inference.input-size", "96", "--device", "cpu", "--log-every", "1"),
]


def train(out: Path, *options: str, recipe: str = "cris-scenes") -> int:
    """The exit code of a small run."""
    return main(["train", recipe, "--out", str(out), *SMALL_RUN, *options])


def start(out: Path, *options: str, start_new_session: bool = False) -> "subprocess.Popen[str]":
    """A small run in a process of its own."""
    command = [sys.executable, "-m", "cris", "train", "cris-scenes", "--out", str(out)]
    return subprocess.Popen(
        [*command, *SMALL_RUN, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=start_new_session,
    )


def weights(out: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoints" / name / "model.safetensors")


def are_equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(ours[name].equal(theirs[name]) for name in theirs)


def steps(out: Path, kind: str = "loss") -> list[int]:
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [line["step"] for line in lines if kind in line]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps without a stop."""
    out = tmp_path_factory.mktemp("straight")
    assert train(out, "--max-steps", "4", "--checkpoint-every", "1", "--validation.every", "2") == 0
    return out


def test_stopping_and_going_on_ends_with_the_same_weights(straight: Path, tmp_path: Path) -> None:
    assert train(tmp_path, "--max-steps", "3") == 0
    assert train(tmp_path, "--max-steps", "4", "--resume", "--sampling.workers", "1") == 0
    assert are_equal(weights(tmp_path), weights(straight))
    assert steps(tmp_path) == [1, 2, 3, 4]


def test_the_folder_holds_the_last_the_best_and_the_newest_checkpoints(straight: Path) -> None:
    names = {path.name for path in (straight / "checkpoints").iterdir()}
    assert names == {"last", "best", "step-3", "step-4"}
    assert are_equal(weights(straight, "step-4"), weights(straight))
    assert not (straight / "checkpoints/best/train_state.pt").exists()
    assert steps(straight, "validation_mean_iou") == [2, 4]
    stored = json.loads((straight / "config.json").read_text())
    assert (stored["recipe"], stored["steps"], stored["max_steps"]) == ("cris-scenes", 5600, 4)


def test_a_checkpoint_of_a_past_step_goes_on_as_the_last_one_does(straight: Path, tmp_path: Path) -> None:
    shutil.copytree(straight / "checkpoints/step-3", tmp_path / "checkpoints/last")
    assert train(tmp_path, "--max-steps", "4", "--resume", "--checkpoint-every", "9") == 0
    assert are_equal(weights(tmp_path), weights(straight))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_leaves_with_its_code(number: int, code: int, tmp_path: Path) -> None:
    process = start(tmp_path, "--max-steps", "100000", "--checkpoint-every", "100000")
    assert process.stdout is not None
    assert "step 1/" in process.stdout.readline()
    process.send_signal(number)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == code, told
    assert steps(tmp_path)[-1] == torch.load(tmp_path / "checkpoints/last/train_state.pt")["step"]


def test_a_signal_to_all_processes_of_a_run_saves_with_workers_too(tmp_path: Path) -> None:
    process = start(
        *(tmp_path, "--max-steps", "100000", "--checkpoint-every", "100000", "--sampling.workers", "1"),
        start_new_session=True,
    )
    assert process.stdout is not None
    assert "step 1/" in process.stdout.readline()
    os.killpg(process.pid, signal.SIGTERM)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 143, told
    assert "Traceback" not in told
    assert (tmp_path / "checkpoints/last/train_state.pt").exists()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_second_run_in_the_folder_of_one_that_trains_is_refused(
    processes: str, tmp_path: Path, capsys
) -> None:
    first = start(tmp_path, "--max-steps", "5000", "--checkpoint-every", "1")
    assert first.stdout is not None
    assert "step 1/" in first.stdout.readline()
    second = ("--max-steps", "3", "--resume", "--processes", processes)
    if processes == "1":
        code, told = train(tmp_path, *second), capsys.readouterr().err
    else:  # the second process runs the command of the first again
        both = start(tmp_path, *second)
        told, _ = both.communicate(timeout=300)
        code = both.returncode
    assert code == 1, told
    hint = "wait for that run, stop it, or choose another --out"
    assert f"another process is writing to {tmp_path}: {hint}" in told
    assert "Traceback" not in told
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=120)
    assert first.returncode == 143
    assert not (tmp_path / ".lock").exists()
    reached = torch.load(tmp_path / "checkpoints/last/train_state.pt")["step"]
    assert train(tmp_path, "--max-steps", str(reached + 1), "--resume") == 0


def test_two_processes_stop_together_and_go_on_as_if_they_had_not(tmp_path: Path) -> None:
    both = ("--processes", "2", "--checkpoint-every", "2")
    for out, limits in ((tmp_path / "straight", ["4"]), (tmp_path / "stopped", ["3", "4"])):
        for limit in limits:
            process = start(out, *both, "--max-steps", limit, "--resume")
            told, _ = process.communicate(timeout=300)
            assert process.returncode == 0, told
    assert are_equal(weights(tmp_path / "stopped"), weights(tmp_path / "straight"))
    assert steps(tmp_path / "stopped") == [1, 2, 3, 4]


def test_a_folder_with_a_run_is_refused_unless_resumed(straight: Path, capsys) -> None:
    assert train(straight, "--max-steps", "4") == 1
    assert "holds a run: pass --resume" in capsys.readouterr().err


def test_another_run_is_refused_by_the_option_that_differs(straight: Path, capsys) -> None:
    assert train(straight, "--max-steps", "5", "--resume", "--seed", "5") == 1
    assert "holds another run: its seed is 0, not 5" in capsys.readouterr().err


def test_a_run_can_begin_with_the_weights_of_another(straight: Path, tmp_path: Path) -> None:
    options = ("--max-steps", "1", "--optimizer.learning-rate", "1e-12", "--ema-decay", "0")
    assert train(tmp_path, "--from", str(straight), *options) == 0
    best = weights(straight, "best")  # what the folder of a run stands for
    ours, theirs = (run["neck.sentence.weight"] for run in (weights(tmp_path), best))
    assert ours.allclose(theirs, atol=1e-8)


def test_weights_of_other_sizes_are_refused(straight: Path, tmp_path: Path, capsys) -> None:
    assert train(tmp_path, "--from", str(straight), "--model.neck.fine", "40", "--max-steps", "1") == 1
    assert "must have the recipe's sizes: neck.fine" in capsys.readouterr().err


def test_wrong_use_is_told(tmp_path: Path, capsys) -> None:
    assert main(["train", "cris-scene", "--out", str(tmp_path)]) == 2
    assert "there is no recipe 'cris-scene': did you mean 'cris-scenes'?" in capsys.readouterr().err
    assert main(["train"]) == 2
    assert "a run needs a recipe" in capsys.readouterr().err
    for recipe in ("refcoco-rn50-fixed", "cris-photos"):
        assert main(["train", recipe, "--out", str(tmp_path)]) == 2
        assert f"{recipe} needs data: pass --data DIR" in capsys.readouterr().err
    assert main(["train", "finetune", "--from", "cris-scenes", "--out", str(tmp_path)]) == 2
    assert "finetune needs data: pass --data DIR" in capsys.readouterr().err
    assert main(["train", "cris-scenes"]) == 2
    assert "a run needs a folder" in capsys.readouterr().err
    assert main(["train", "finetune", "--out", str(tmp_path)]) == 2
    assert "finetune needs a model to begin with" in capsys.readouterr().err
    assert train(tmp_path, "--data", str(tmp_path / "none")) == 1
    assert train(tmp_path, "--sampling.pictures", "3", "--accumulation", "2") == 1
    assert "must divide by 1 processes × 2 parts" in capsys.readouterr().err


def test_the_whole_configuration_is_printed_and_nothing_is_done(capsys) -> None:
    assert main(["train", "refcoco-rn101-modern", "--seed", "7", "--print-config"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["seed"] == 7
    assert printed["model"]["image"]["layers"] == [3, 4, 23, 3]


def test_a_dry_run_tells_time_and_memory_and_writes_nothing(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    assert train(out, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "s a step (measured); 5,600 steps take about" in told
    assert "with 2 images at a time in each process" in told
    assert not out.exists()


def test_finetuning_on_a_data_set_goes_on_with_a_model(straight: Path, tmp_path: Path) -> None:
    data, out, last = tmp_path / "data", tmp_path / "run", straight / "checkpoints/last"
    scenes = ["--count", "4", "--split", "train", "val", "--size", "96", "--out", str(data)]
    assert main(["data", "scenes", *scenes]) == 0
    options = ["--from", str(last), "--data", str(data), "--out", str(out), "--max-steps", "2"]
    few = ["--sampling.pictures", "2", "--sampling.sentences", "2", "--device", "cpu"]
    assert main(["train", "finetune", *options, *few]) == 0
    assert weights(out).keys() == weights(straight).keys()
    assert not weights(out)["neck.sentence.weight"].equal(weights(straight)["neck.sentence.weight"])


def test_damaged_images_are_passed_over_and_counted(tmp_path: Path, capsys) -> None:
    images = records(8)
    for number in (1, 3):  # of train and of val
        images[number] = replace(images[number], image=b"none")
    write(tmp_path / "data", images)
    small = ["--sampling.pictures", "2", "--sampling.sentences", "2", "--max-steps", "4", "--device", "cpu"]
    options = [
        "--from",
        "cris-scenes",
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "run"),
        *small,
    ]
    assert main(["train", "finetune", *options]) == 0
    told = capsys.readouterr()
    assert told.out.endswith(
        "\n2 images could not be decoded and were passed over: cris data check names them\n"
    )
    lines = [line for line in told.err.splitlines() if "passed over in training" in line]
    assert [name for line in lines for name in ("street-1", "street-3") if name in line] == [
        "street-1",
        "street-3",
    ]
    assert main(["data", "check", str(tmp_path / "data")]) == 1
    assert "decode: 2 found" in capsys.readouterr().out


def test_a_killed_run_loses_only_what_came_after_its_last_save(straight: Path, tmp_path: Path, prove) -> None:
    """Killed at random moments, also while it saves; each time it goes on, and ends as if never killed."""
    kills = prove.count(full=20, quick=2)
    generator = torch.Generator().manual_seed(int(time.time()))
    metrics, last = tmp_path / "metrics.jsonl", tmp_path / "checkpoints/last/train_state.pt"
    length = 2 * kills + 2
    whole = tmp_path / "whole"
    assert train(whole, "--max-steps", str(length), "--validation.every", "1000") == 0
    lost = []
    for _ in range(kills):
        before = torch.load(last)["step"] if last.exists() else 0
        options = ("--max-steps", str(length), "--checkpoint-every", "1", "--validation.every", "1000")
        process = start(tmp_path, *options, "--resume")
        while process.poll() is None and not (metrics.exists() and steps(tmp_path)[-1:] > [before]):
            time.sleep(0.01)
        time.sleep(float(torch.rand((), generator=generator)) / 5)
        reached = steps(tmp_path)[-1]
        process.kill()
        process.communicate()
        kept = tmp_path / "checkpoints/last/train_state.pt"
        if not kept.exists():
            kept = tmp_path / "checkpoints/.last.previous/train_state.pt"
        lost.append(reached - (torch.load(kept)["step"] if kept.exists() else 0))
    assert train(tmp_path, "--max-steps", str(length), "--validation.every", "1000", "--resume") == 0
    assert max(lost) <= 1
    assert are_equal(weights(tmp_path), weights(whole))
    assert steps(tmp_path) == list(range(1, length + 1))
    prove.figure(f"a run killed {kills} times ends with the same weights; most steps lost", max(lost))
