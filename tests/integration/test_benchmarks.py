"""What measures training runs, on a small model, and counts the arithmetic right."""

import math
import sys

import pytest
import torch

from benchmarks import train_cpu, train_gpu


@pytest.mark.parametrize("path", ["plain", "cris"])
def test_both_paths_of_the_cpu_benchmark_take_a_step(path):
    step = train_cpu.prepare(path, is_tiny=True)
    answer = step()
    assert math.isfinite(answer if path == "plain" else answer["loss"])


@pytest.mark.parametrize("path", ["plain", "cris"])
def test_both_paths_of_the_gpu_benchmark_run_on_a_cpu(path):
    found = train_gpu.measure(path, train_gpu.recipe(4, "cpu", is_tiny=True), steps=1)
    assert found.seconds > 0
    assert found.gigabytes > 0


def test_a_training_step_at_full_size_is_three_times_the_known_arithmetic_of_an_answer():
    config = train_gpu.recipe(64, "cuda", is_tiny=False)
    # 131.7 GFLOP for an answer; backward twice as much, but for the first layer's input
    assert train_gpu.flops(config) == pytest.approx(3 * 131.7e9, rel=0.01)


def test_the_gpu_benchmark_refuses_to_run_without_one_in_one_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train_gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^this needs a CUDA device; [^\n]*$"):
        train_gpu.main()
