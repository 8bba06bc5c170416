"""`cris doctor` where things are missing, broken, full or small."""

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from cris import doctor
from cris.doctor import Diagnosis, HealthCheck, diagnose
from tests.cli.conftest import Cris
from tests.cli.test_documented import fields, first_cells, section

GOOD = {"works": True, "detail": "works"}
Usage = namedtuple("Usage", "total used free")


def findings(diagnosis: Diagnosis, topic: str) -> dict[str, HealthCheck]:
    return {each.name: each for each in diagnosis.findings if each.topic == topic}


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the probes find, instead of trying; tests change it."""
    results = {name: dict(GOOD) for name in ("model", "torch", "onnx", "openvino")}
    results["torch"]["devices"] = {"cpu": (True, "")}
    monkeypatch.setattr(doctor, "_start", lambda names: None)
    monkeypatch.setattr(doctor, "_results", lambda names, _: {name: results[name] for name in names})
    return results


def run(
    env: dict[str, str], *, hidden: tuple[str, ...] = (), folder: Path, code: str = ""
) -> tuple[int, Any]:
    """Run `cris doctor --json` where these packages cannot be imported; return its exit code and answer."""
    for name in hidden:
        raising = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
        (folder / f"{name}.py").write_text(code or raising)
    if hidden:
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        env = {**env, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "cris", "doctor", "--json"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **env},
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def needs_engines() -> None:
    for name in ("onnxruntime", "openvino"):
        pytest.importorskip(name)


def details(answer: Any, topic: str) -> dict[str, str]:
    return {each["name"]: each["detail"] for each in answer["findings"] if each["topic"] == topic}


@pytest.mark.usefixtures("forked_programs")
def test_a_whole_installation_predicts_and_every_engine_is_tried(tmp_path: Path) -> None:
    needs_engines()
    code, answer = run({"HOME": str(tmp_path), "CI": ""}, folder=tmp_path)
    assert not (tmp_path / "intel").exists()  # where openvino keeps the identifier under which it reports
    assert (code, answer["predicts"]) == (0, True)
    assert "cris-photos loads and answers in" in details(answer, "prediction")["default model"]
    assert all(detail.startswith("works") for detail in details(answer, "engines").values())
    assert "cpu" in details(answer, "devices")
    assert set(fields(answer)) == set(first_cells(section("json.md", "cris doctor")))


def test_without_torch_and_all_that_the_smallest_install_lacks_it_tells_what_can_be_done(
    tmp_path: Path,
) -> None:
    needs_engines()
    hidden = ("torch", "tyro", "rich", "huggingface_hub", "safetensors", "filelock")
    code, answer = run({}, hidden=hidden, folder=tmp_path)
    assert (code, answer["predicts"]) == (0, True)
    assert "exported models alone, on onnx and openvino" in details(answer, "prediction")["default model"]
    assert details(answer, "engines")["torch"] == "torch is not installed"


@pytest.mark.usefixtures("forked_programs")
def test_an_engine_that_crashes_hinders_no_other(tmp_path: Path) -> None:
    needs_engines()
    crash = "import os\nos.abort()\n"
    code, answer = run({}, hidden=("openvino",), folder=tmp_path, code=crash)
    assert code == 0
    engines = details(answer, "engines")
    assert engines["openvino"] == "its process died of SIGABRT"
    assert engines["onnx"].startswith("works")


def test_a_model_that_crashes_leaves_what_torch_said() -> None:
    said = "import os; print('noise\\ncris doctor: {\"works\": true}', flush=True); os.abort()"
    process = subprocess.Popen(
        [sys.executable, "-c", said], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert doctor._results(["torch", "model"], process) == {
        "torch": {"works": True},
        "model": {"error": "its process died of SIGABRT"},
    }


def test_exit_code_tells_whether_a_model_can_be_asked(probed: dict[str, Any], cris: Cris) -> None:
    assert cris("doctor").code == 0
    probed["model"] = {"error": "the weights are damaged"}
    outcome = cris("doctor")
    assert outcome.code == 1
    assert "! default model" in outcome.out
    assert "the weights are damaged" in outcome.out
    probed["model"] = probed["torch"] = {"missing": "torch"}
    assert cris("doctor").code == 0
    probed["onnx"] = probed["openvino"] = {"missing": "onnxruntime"}
    outcome = cris("doctor")
    assert outcome.code == 1
    assert "  pip install torch\n" in outcome.out
    assert "  pip install 'cris[export]'\n" in outcome.out


def test_half_the_extras_are_told_with_what_they_lack(
    probed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    requires = [
        "torch>=2.6",
        "jinja2>=3.1; extra == 'demo'",
        'ray[data]>=2.40; extra == "batch"',
        "fsspec>=2024.9; extra == 'batch'",
        "pytest>=8; extra == 'dev'",
    ]
    here = {"jinja2": "3.1.6", "ray": "2.9.0"}

    def version(name: str) -> str:
        if name not in here:
            raise metadata.PackageNotFoundError(name)
        return here[name]

    monkeypatch.setattr(metadata, "requires", lambda name: requires)
    monkeypatch.setattr(metadata, "version", version)
    found = findings(diagnose(), "extras")
    assert {name: each.detail for name, each in found.items()} == {
        "demo": "whole",
        "batch": "lacks ray 2.40 (here is 2.9.0), fsspec",
    }
    assert found["batch"].remedy == "pip install 'cris[batch]'"


def test_a_full_disk_and_small_shared_memory_are_told_and_no_more(
    probed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(64 * 2**20, 64 * 2**20 - 100, 100))
    diagnosis = diagnose()
    assert diagnosis.predicts
    disks = [each for name, each in findings(diagnosis, "folders").items() if name.startswith("disk")]
    assert [each.state for each in disks] == ["bad"] * 3
    if sys.platform.startswith("linux"):
        shared = findings(diagnosis, "memory")["shared memory"]
        assert (shared.state, shared.detail) == ("bad", "0.0 MB of 67.1 MB free, at /dev/shm")
        assert "--shm-size" in str(diagnosis)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KB without room, where this process may mount one."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs to mount a file system")
    try:
        with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
@pytest.mark.usefixtures("forked_programs")
def test_it_works_on_a_disk_that_is_full(full_disk: Path, tmp_path: Path) -> None:
    env = {"CRIS_CACHE": str(full_disk / "cache"), "TMPDIR": str(full_disk)}
    code, answer = run(env, folder=tmp_path)
    assert code == 0
    told = {each["name"]: each for each in answer["findings"]}
    assert told["disk of the cache"]["state"] == "bad"
    assert not told["disk for files"]["values"]["path"].startswith(str(full_disk))  # Python takes another
    assert told["disk of the cache"]["values"]["free_bytes"] == 0


def test_a_cache_that_cannot_be_read_or_made_is_told(
    probed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path / "file" / "cache"))
    cache = findings(diagnose(), "folders")["cache"]
    assert (cache.state, cache.remedy) == ("bad", "set CRIS_CACHE to a folder that can be written")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)  # as below a folder of another user
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path / "another's"))
    assert findings(diagnose(), "folders")["cache"].state == "ok"


def test_a_user_without_a_home_is_told(probed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CRIS_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    found = findings(diagnose(), "folders")
    assert found["cache"].state == "bad"
    assert "no home folder: set CRIS_CACHE" in found["cache"].detail
    assert "disk of the cache" not in found


def test_a_folder_that_was_deleted_is_told(probed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "cwd", fail)
    here = findings(diagnose(), "folders")["disk here"]
    assert (here.state, here.detail) == ("bad", "no such file or directory")


def test_threads_beyond_a_container_s_share_are_told(
    probed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(doctor, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    (threads,) = findings(diagnose(), "processors").values()
    assert (threads.state, threads.remedy[:21]) == ("bad", "set OMP_NUM_THREADS=1")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert findings(diagnose(), "processors")["threads"].state == "ok"


def test_the_tiny_onnx_model_adds_its_input_to_itself() -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_model_from_string(doctor._ADDS_ITSELF).graph
    assert [(node.op_type, list(node.input)) for node in graph.node] == [("Add", ["x", "x"])]


def test_without_tyro_it_takes_json_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    command = importlib.import_module("cris.cli.doctor")
    monkeypatch.setitem(sys.modules, "cris.cli.parsing", None)
    assert command.parse("cris doctor", ["--json"]).json
    with pytest.raises(ValueError, match="takes --json alone"):
        command.parse("cris doctor", ["--jsn"])
