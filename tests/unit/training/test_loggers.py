"""What a run's folder and the boards get to know, and what going on takes back."""

import json
import math
import os
import sqlite3
import subprocess
import sys

import pytest
from PIL import Image

from cris.cli.errors import explain
from cris.training.loggers import Tracker, read_metrics


def lines_of(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_every_line_is_there_as_soon_as_it_is_written(tmp_path):
    tracker = Tracker(tmp_path / "run", {})
    tracker.metrics(10, {"loss": 0.5, "learning_rate/head": 1e-4})
    assert lines_of(tmp_path / "run") == [{"step": 10, "loss": 0.5, "learning_rate/head": 1e-4}]
    tracker.validation(10, {"mean_iou": 0.25, "score_auroc": None})
    assert lines_of(tmp_path / "run")[1:] == [
        {"step": 10, "validation_mean_iou": 0.25, "validation_score_auroc": None}
    ]
    tracker.close()


def test_what_is_not_a_finite_number_becomes_null(tmp_path):
    tracker = Tracker(tmp_path, {})
    tracker.metrics(1, {"loss": math.nan, "gradient_norm": math.inf})
    tracker.close()
    assert lines_of(tmp_path) == [{"step": 1, "loss": None, "gradient_norm": None}]


def test_going_on_cuts_what_lies_beyond_and_what_was_cut_off(tmp_path):
    tracker = Tracker(tmp_path, {})
    for step in (10, 20, 30):
        tracker.metrics(step, {"loss": 1 / step})
    tracker.close()
    with (tmp_path / "metrics.jsonl").open("a") as lines:
        lines.write('{"step": 2')
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 3
    tracker = Tracker(tmp_path, {}, step=20)
    tracker.metrics(30, {"loss": 7.0})
    tracker.close()
    assert [(line["step"], line["loss"]) for line in lines_of(tmp_path)] == [(10, 0.1), (20, 0.05), (30, 7.0)]


def test_a_validation_leaves_its_sheet(tmp_path):
    tracker = Tracker(tmp_path, {})
    tracker.validation(40, {"mean_iou": 0.5}, Image.new("RGB", (20, 10), "red"))
    tracker.close()
    with Image.open(tmp_path / "sheets/step-00000040.jpg") as sheet:
        assert sheet.size == (20, 10)


def test_tensorboard_gets_figures_and_sheets_and_forgets_lost_steps(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = Tracker(tmp_path, {"seed": 3}, ["tensorboard"])
    for step in (10, 20):
        tracker.metrics(step, {"loss": 1 / step})
    tracker.close()
    tracker = Tracker(tmp_path, {"seed": 3}, ["tensorboard"], step=10)
    tracker.metrics(20, {"loss": 7.0})
    tracker.validation(20, {"mean_iou": 0.5}, Image.new("RGB", (20, 10)))
    tracker.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (10, pytest.approx(0.1)),
        (20, 7.0),
    ]
    assert events.Scalars("validation_mean_iou")[0].value == 0.5
    assert [image.step for image in events.Images("sheet")] == [20]


@pytest.fixture(scope="module")
def boarded(tmp_path_factory):
    """A run that told trackio and W&B, both offline, in a process of its own; with its stdout."""
    scratch = tmp_path_factory.mktemp("boards")
    code = f"""
from pathlib import Path
from PIL import Image
from cris.training.loggers import Tracker
tracker = Tracker(Path({str(scratch / "run")!r}), {{"seed": 3}}, ["trackio", "wandb"])
tracker.metrics(10, {{"loss": 0.5}})
tracker.validation(10, {{"mean_iou": 0.25}}, Image.new("RGB", (20, 10)))
tracker.close()
"""
    environment = os.environ | {
        "TRACKIO_DIR": str(scratch / "trackio"),
        "WANDB_MODE": "offline",
        "WANDB_CONFIG_DIR": str(scratch / "config"),
        "WANDB_CACHE_DIR": str(scratch / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=scratch, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""  # it is for results
    return scratch


def test_trackio_gets_figures_and_the_sheet(boarded):
    with sqlite3.connect(boarded / "trackio/cris.db") as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
    assert {name.rpartition("-")[0] for name, _, _ in rows} == {"run"}
    assert {step for _, step, _ in rows} == {10}
    assert [list(json.loads(metrics)) for _, _, metrics in rows] == [
        ["loss"],
        ["validation_mean_iou"],
        ["sheet"],
    ]
    assert len(list((boarded / "trackio/media").rglob("*.png"))) == 1


def test_wandb_gets_figures_and_the_sheet(boarded):
    runs = list((boarded / "run/wandb").glob("offline-run-*"))
    assert len(runs) == 1
    (stored,) = runs[0].glob("*.wandb")
    assert {name for name in ("loss", "validation_mean_iou") if name.encode() in stored.read_bytes()} == {
        "loss",
        "validation_mean_iou",
    }
    assert len(list(runs[0].glob("files/media/images/sheet*.png"))) == 1


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_a_board_that_is_not_installed_is_one_line_and_begins_nothing(tmp_path, monkeypatch, name):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError) as missing:
        Tracker(tmp_path / "run", {}, [name])
    assert explain(missing.value) == f"this needs {name}, which is not installed: pip install 'cris[track]'"
    assert not (tmp_path / "run/metrics.jsonl").exists()


def test_an_unknown_board_is_named(tmp_path):
    with pytest.raises(ValueError, match="trackers are tensorboard, trackio, wandb, got 'mlflow'"):
        Tracker(tmp_path, {}, ["mlflow"])
