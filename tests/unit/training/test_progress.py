"""Lines for pipes, a bar for terminals, and the time left."""

import os
import pty
import subprocess
import sys

import pytest
import torch

from cris.training.progress import RunProgress, describe, peak_memory


def test_a_pipe_gets_one_plain_line_for_each_report(capsys):
    with RunProgress(100, step=10) as progress:
        progress.step(19)
        progress.metrics(20, {"loss": 0.123456, "learning_rate": 1e-4, "samples_per_second": 12.0})
        progress.validation(20, {"mean_iou": 0.5, "score_auroc": None})
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("step 20/100  loss 0.1235  learning rate 0.0001  samples per second 12  ")
    assert first.endswith(" left")
    assert second == "step 20/100  validation  mean iou 0.5"


def test_nothing_is_shown_unless_it_is_wanted(capsys):
    with RunProgress(100, is_shown=False) as progress:
        progress.metrics(20, {"loss": 0.5})
        progress.validation(20, {"mean_iou": 0.5})
    assert capsys.readouterr() == ("", "")


def test_time_left_follows_from_the_steps_of_this_process(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("cris.training.progress.time.monotonic", lambda: now[0])
    progress = RunProgress(1000, step=400)
    assert progress.time_left(400) == "–"
    now[0] += 50
    assert progress.time_left(500) == "0:04:10"


def test_markup_in_a_line_is_text(capsys):
    RunProgress(1).say("[red]not red[/red] " + "x" * 300)
    assert capsys.readouterr().err == "[red]not red[/red] " + "x" * 300 + "\n"


@pytest.mark.usefixtures("forked_programs")
def test_a_terminal_gets_a_bar_with_the_figures():
    code = """
from cris.training.progress import RunProgress
with RunProgress(8) as progress:
    progress.metrics(4, {"loss": 0.25})
"""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "120", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], stderr=theirs, env=environment, check=True)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # how Linux says that the terminal is closed
        pass
    text = shown.decode()
    assert "4/8" in text
    assert "loss 0.25" in text
    assert "\x1b[" in text  # drawn, not printed line by line


def test_figures_that_are_not_known_are_left_out():
    assert describe({"mean_iou": 0.25, "score_auroc": None, "count": 400}) == "mean iou 0.25  count 400"


def test_memory_of_the_process_is_a_plausible_number_of_gigabytes():
    block = torch.ones(10_000_000)  # 40 MB
    assert 0.04 < peak_memory(block.device) < 1000
