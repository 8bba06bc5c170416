"""The benchmarks of prediction and training run, at tiny sizes and counts."""

import re
from pathlib import Path

import pytest
import torch

from benchmarks import eval_cpu, photographs_speed, predict_cpu, predict_gpu, train_cpu, train_gpu
from benchmarks.models import random_checkpoint

pytestmark = pytest.mark.usefixtures("forked_programs")


def rows(out: str) -> list[list[str]]:
    """The cells of a table's rows, without its head."""
    lines = [line for line in out.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_engines_are_measured_against_the_straightforward_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict_cpu.main(
        ["--model", "tiny", "--turns", "1", "--engines", "torch-fp32", "--folder", str(tmp_path)]
    )
    table = rows(capsys.readouterr().out)
    assert [row[:2] for row in table] == [
        [name, sentences] for sentences in ("1", "8") for name in ("plain", "torch-fp32")
    ]
    assert all(float(cell) > 0 for row in table for cell in row[3:])


def test_photographs_are_timed_from_file_to_mask_and_by_the_whole_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = str(random_checkpoint(tmp_path, "tiny"))
    photographs_speed.main(
        [
            "--model",
            tiny,
            "--turns",
            "1",
            "--commands",
            "1",
            "--engines",
            "torch-fp32",
            "--folder",
            str(tmp_path),
        ]
    )
    limits, measured = rows(capsys.readouterr().out)
    assert limits == ["at most", "4.00", "0.25", "0.06"]
    assert measured[0] == "torch-fp32"
    assert float(measured[1]) > 0
    assert float(measured[2]) > 0


def test_images_a_second_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--device", "cpu", "--model", "tiny", "--batches", "1", "3", "--seconds", "0.01"]
    assert predict_gpu.main(tiny) == 0
    table = rows(capsys.readouterr().out)
    assert [row[0] for row in table] == ["1", "3"]
    assert all(int(cell.replace(",", "")) > 0 for row in table for cell in row[1:3])


@pytest.mark.parametrize("path", ["plain", "cris"])
def test_steps_and_evaluations_take_either_path(path: str, tmp_path: Path) -> None:
    step = train_cpu.prepare(path, is_tiny=True)
    assert step()
    config = train_gpu.recipe(4, "cpu", is_tiny=True)
    measured = train_gpu.measure(path, config, steps=1)
    assert measured is not None
    assert measured.seconds > 0
    eval_cpu.prepare_work(path, eval_cpu.Work(images=1, sentences=1), tmp_path)()
    assert 0 <= float((tmp_path / path).read_text()) <= 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_without_a_gpu_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert predict_gpu.main([]) == 1
    assert re.fullmatch(r"predict_gpu needs a CUDA device.*\n", capsys.readouterr().err)
