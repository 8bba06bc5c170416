"""A bug keeps its traceback wherever it is: in a command, in a process of its own, in a request."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cris.cli import main
from cris.errors import BUG
from tests.fixtures.served import png, served
from tests.integration.test_train import SMALL_RUN

REPORT = "cris: this is a bug in cris: please report it with the traceback above\n"
TRACE = ("Traceback (most recent call last)", "ValueError: zip() argument 2")


def planted(*_: object) -> None:
    """A bug whose ValueError C raises in our frame, as if we had raised it for a user."""
    list(zip([1], [], strict=True))


def plant(folder: Path, code: str) -> dict[str, str]:
    """The environment in which every Python process runs this code first."""
    (folder / "sitecustomize.py").write_text(f"import sys\n{code}", encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))}


def ends_as_a_bug(code: int, said: str) -> bool:
    return code == BUG and said.endswith(REPORT) and all(part in said for part in TRACE)


def test_in_a_command(tmp_path: Path) -> None:
    code = "import cris.cli.models as m\nm.Command.run = lambda self: list(zip([1], [], strict=True))"
    environment = os.environ | plant(tmp_path, code)
    done = subprocess.run(
        [sys.executable, "-m", "cris", "models"], env=environment, capture_output=True, text=True
    )
    assert done.stdout == ""
    assert ends_as_a_bug(done.returncode, done.stderr)


def test_in_a_worker_that_prepares_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cris.data.loading.loader.Prepare.__call__", planted)  # the worker is forked
    options = ["--max-steps", "1", "--sampling.workers", "1"]
    code = main(["train", "cris-scenes", "--out", str(tmp_path / "run"), *SMALL_RUN, *options])
    assert ends_as_a_bug(code, capfd.readouterr().err)


@pytest.mark.usefixtures("forked_programs")
def test_in_a_process_of_an_evaluation(tmp_path: Path) -> None:
    code = """
if any("multiprocessing" in argument for argument in sys.orig_argv):
    import cris.evaluation.run as run
    run.EvaluationRun.rows = lambda self, segmenter, part: list(zip([1], [], strict=True))
"""
    options = ["cris-scenes", "scenes", "--limit", "64", "--processes", "2", "--device", "cpu"]
    command = [sys.executable, "-m", "cris", "eval", *options]
    done = subprocess.run(
        command, env=os.environ | plant(tmp_path, code), cwd=tmp_path, capture_output=True, text=True
    )
    assert ends_as_a_bug(done.returncode, done.stderr)


def test_in_a_request(tmp_path: Path) -> None:
    code = """
if "cris.serving.worker" in sys.orig_argv:
    import cris.serving.predictor as module
    name, sentence = "_answer", "bug in the worker"
else:
    import cris.serving.app as module
    name, sentence = "_content", "bug in the server"
work = getattr(module, name)
def planted(ask, *rest, **options):
    if sentence in ask.sentences:
        list(zip([1], [], strict=True))
    return work(ask, *rest, **options)
setattr(module, name, planted)
"""
    with served("--no-page", env=plant(tmp_path, code)) as server, server.client() as client:
        worker = server.worker()
        for place in ("worker", "server"):
            bad = server.segment(client, png(), f"bug in the {place}")
            assert (bad.status_code, bad.json()["error"]) == (500, "internal")
            good = server.segment(client, png(), "the red ring")
            assert good.status_code == 200
        assert server.worker() == worker
        errors = [entry for entry in server.log() if entry["event"] == "error"]
        assert len(errors) == 2
        assert all("ValueError: zip() argument 2" in entry["traceback"] for entry in errors)
