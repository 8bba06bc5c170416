"""Diagnosis of an installation: versions, engines, devices, extras, disk, shared memory, threads."""

import base64
import importlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from cris import __version__
from cris.errors import InputError
from cris.weights import cache_folder

State = Literal["ok", "missing", "bad"]
_PROBE_SECONDS = 60.0
_LEAST_DISK = 500 * 10**6
"""Bytes below which a disk counts as full: a checkpoint with its optimizer is about as large."""
_LEAST_SHARED = 256 * 2**20
"""Bytes of shared memory below which training's workers run out of it; containers have 64 MiB by default."""
_SHARED_MEMORY = Path("/dev/shm")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time in each period that Linux gives to a container."""
_MARK = "cris doctor: "
_SHOWN_PACKAGES = ("torch", "numpy", "pillow", "opencv-python-headless", "tokenizers", "huggingface-hub")
_FOR_DEVELOPERS = ("dev", "docs")
_ADDS_ITSELF = base64.b64decode(
    "CAgSADo1Cg4KAXgKAXgSAXkiA0FkZBIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0="
)
"""ONNX model y = x + x."""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """One thing that was looked at."""

    topic: str
    name: str
    state: State
    detail: str
    remedy: str = ""
    """Step to take, where something is missing or bad."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Figures of the detail, for programs."""


@dataclass(frozen=True)
class Diagnosis:
    """Health checks of this installation and machine."""

    findings: list[HealthCheck]

    @property
    def predicts(self) -> bool:
        """Return whether a model can be asked here: the default one, or without torch an exported one."""
        return any(each.state == "ok" for each in self.findings if each.topic == "prediction")

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return {
            "schema_version": 1,
            "predicts": self.predicts,
            "findings": [
                {name: getattr(each, name) for name in HealthCheck.__dataclass_fields__}
                for each in self.findings
            ],
        }

    def __str__(self) -> str:
        """Return it as lines for people, what is to be done last."""
        lines = []
        topics = list(dict.fromkeys(each.topic for each in self.findings))
        width = max(len(each.name) for each in self.findings)
        for topic in topics:
            lines.append(topic)
            for each in self.findings:
                if each.topic == topic:
                    mark = {"ok": " ", "missing": "-", "bad": "!"}[each.state]
                    lines.append(f"  {mark} {each.name:<{width}}  {each.detail}".rstrip())
        remedies = list(dict.fromkeys(each.remedy for each in self.findings if each.remedy))
        if remedies:
            lines += ["what to do", *(f"  {remedy}" for remedy in remedies)]
        return "\n".join(lines)


def diagnose() -> Diagnosis:
    """Return what is found; a part that is broken is told, and hinders no other."""
    started = [(names, _start(names)) for names in _TOGETHER]  # apart, as a bad one may crash
    findings = [*_versions(), *_extras(), *_folders(), *_shared_memory(), *_threads()]
    results = {name: found for names, process in started for name, found in _results(names, process).items()}
    findings[:0] = [*_prediction(results), *_engines(results), *_devices(results)]
    return Diagnosis(findings)


def _prediction(results: Mapping[str, Mapping[str, Any]]) -> Iterator[HealthCheck]:
    torch, model = results["torch"], results["model"]
    others = [name for name in ("onnx", "openvino") if results[name].get("works")]
    if model.get("works"):
        yield HealthCheck(topic="prediction", name="default model", state="ok", detail=model["detail"])
    elif "missing" in torch and others:
        detail = f"exported models alone, on {' and '.join(others)}, as torch is not installed"
        yield HealthCheck(topic="prediction", name="default model", state="ok", detail=detail)
    else:
        detail, remedy = _told(model)
        yield HealthCheck(topic="prediction", name="default model", state="bad", detail=detail, remedy=remedy)


def _engines(results: Mapping[str, Mapping[str, Any]]) -> Iterator[HealthCheck]:
    for name in ("torch", "onnx", "openvino"):
        result = results[name]
        if result.get("works"):
            yield HealthCheck(topic="engines", name=name, state="ok", detail=result["detail"])
            continue
        detail, remedy = _told(result)
        state: State = "missing" if "missing" in result else "bad"
        if name != "torch" and state == "missing":
            remedy = "pip install 'cris[export]'"
        yield HealthCheck(topic="engines", name=name, state=state, detail=detail, remedy=remedy)


def _devices(results: Mapping[str, Mapping[str, Any]]) -> Iterator[HealthCheck]:
    for device, (works, detail) in results["torch"].get("devices", {}).items():
        state: State = "ok" if works else "bad"
        remedy = "" if works else f"pass --device cpu, or see to the driver of {device}"
        yield HealthCheck(topic="devices", name=device, state=state, detail=detail, remedy=remedy)


def _told(result: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is wrong, and what to do about it."""
    if missing := result.get("missing"):
        return f"{missing} is not installed", f"pip install {missing}"
    detail = str(result.get("error", "no answer"))
    return detail, "pip install --force-reinstall what it names; report it if that does not help"


def _versions() -> Iterator[HealthCheck]:
    yield HealthCheck(topic="versions", name="cris", state="ok", detail=__version__)
    system = f"{platform.python_version()} on {platform.platform(terse=True)}, {platform.machine()}"
    yield HealthCheck(topic="versions", name="Python", state="ok", detail=system)
    for name in _SHOWN_PACKAGES:
        version = _version(name)
        if version is None:
            remedy = f"pip install {name}"
            yield HealthCheck(
                topic="versions", name=name, state="missing", detail="not installed", remedy=remedy
            )
        else:
            yield HealthCheck(topic="versions", name=name, state="ok", detail=version)


def _extras() -> Iterator[HealthCheck]:
    """Yield each extra with what it lacks, by the requirements of the installed package."""
    try:
        lines = metadata.requires("cris") or []
    except metadata.PackageNotFoundError:
        detail = "unknown, as cris itself is not installed: it runs from a folder"
        yield HealthCheck(
            topic="extras", name="all", state="missing", detail=detail, remedy="pip install cris"
        )
        return
    wanted: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        match = re.match(r"([\w.-]+)(?:\[[\w,.-]+\])?\s*(?:>=([\w.]+))?.*extra == ['\"]([\w-]+)['\"]", line)
        if match and match[3] not in _FOR_DEVELOPERS:
            wanted.setdefault(match[3], []).append((match[1], match[2] or "0"))
    for extra, packages in wanted.items():
        lacking = [told for name, least in packages if (told := _lack(name, least))]
        yield HealthCheck(
            topic="extras",
            name=extra,
            state="missing" if lacking else "ok",
            detail=f"lacks {', '.join(lacking)}" if lacking else "whole",
            remedy=f"pip install 'cris[{extra}]'" if lacking else "",
            values={"lacks": lacking},
        )


def _lack(name: str, least: str) -> str:
    version = _version(name)
    if version is None:
        return name
    return "" if _numbers(version) >= _numbers(least) else f"{name} {least} (here is {version})"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


def _folders() -> Iterator[HealthCheck]:
    """Yield the cache of models, and the room on the disks that are written to."""
    places: dict[str, tuple[Callable[[], Path], str]] = {
        "disk for files": (lambda: Path(tempfile.gettempdir()), "set TMPDIR to a folder on another disk"),
        "disk here": (Path.cwd, "start cris in a folder on another disk"),
    }
    try:
        cache = cache_folder().absolute()
    except (InputError, OSError) as error:  # no home folder; a folder here that was deleted
        detail, remedy = str(error), "set CRIS_CACHE to a folder that can be written"
        yield HealthCheck(topic="folders", name="cache", state="bad", detail=detail, remedy=remedy)
    else:
        # not Path.exists, which raises below a folder that is another user's
        here = next(folder for folder in (cache, *cache.parents) if os.access(folder, os.F_OK))
        yield _cache(cache, here)
        places = {"disk of the cache": (lambda: here, "set CRIS_CACHE to a folder on another disk"), **places}
    for name, (place, remedy) in places.items():
        try:
            folder = place()
            usage = shutil.disk_usage(folder)
        except OSError as error:
            detail = str(error.strerror or error).lower()
            yield HealthCheck(topic="folders", name=name, state="bad", detail=detail, remedy=remedy)
            continue
        is_full = usage.free < _LEAST_DISK
        yield HealthCheck(
            topic="folders",
            name=name,
            state="bad" if is_full else "ok",
            detail=f"{_megabytes(usage.free)} of {_megabytes(usage.total)} free, at {folder}",
            remedy=f"free some space, or {remedy}" if is_full else "",
            values={"path": str(folder), "free_bytes": usage.free, "total_bytes": usage.total},
        )


def _cache(cache: Path, here: Path) -> HealthCheck:
    """Return what is to be said of the cache; `here` is the folder nearest to it that is there."""
    size = 0
    for folder, _, names in os.walk(cache):
        for name in names:
            with suppress(OSError):
                size += Path(folder, name).stat().st_size
    can_write = os.access(here, os.W_OK | os.X_OK)  # the latter tells a folder from a file
    return HealthCheck(
        topic="folders",
        name="cache",
        state="ok" if can_write else "bad",
        detail=f"{cache}, {_megabytes(size)}" + ("" if can_write else ", cannot be written"),
        remedy="" if can_write else "set CRIS_CACHE to a folder that can be written",
        values={"path": str(cache), "bytes": size},
    )


def _shared_memory() -> Iterator[HealthCheck]:
    if not sys.platform.startswith("linux"):
        return
    remedy = "for training: docker run --shm-size 8g, or pass --sampling.workers 0"
    try:
        usage = shutil.disk_usage(_SHARED_MEMORY)
    except OSError:
        detail = "there is none"
        yield HealthCheck(topic="memory", name="shared memory", state="bad", detail=detail, remedy=remedy)
        return
    is_small = usage.free < _LEAST_SHARED
    yield HealthCheck(
        topic="memory",
        name="shared memory",
        state="bad" if is_small else "ok",
        detail=f"{_megabytes(usage.free)} of {_megabytes(usage.total)} free, at {_SHARED_MEMORY}",
        remedy=remedy if is_small else "",
        values={"free_bytes": usage.free, "total_bytes": usage.total},
    )


def _threads() -> Iterator[HealthCheck]:
    affinity = getattr(os, "sched_getaffinity", None)  # of Linux
    usable = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _quota()
    told = os.environ.get("OMP_NUM_THREADS")
    asked = int(told) if told and told.isdigit() else usable
    share = usable if quota is None else min(usable, max(1, round(quota)))
    detail = f"{usable} of {os.cpu_count()} processors"
    if quota is not None:
        detail += f", time of {quota:g}"
    yield HealthCheck(
        topic="processors",
        name="threads",
        state="bad" if asked > share else "ok",
        detail=f"{detail}, OMP_NUM_THREADS {told or 'not set'}",
        remedy=f"set OMP_NUM_THREADS={share}: more threads than processors wait for each other"
        if asked > share
        else "",
        values={"processors": usable, "quota": quota, "omp_num_threads": told},
    )


def _quota() -> float | None:
    try:
        limit, period = _QUOTA.read_text(encoding="ascii").split()
        return int(limit) / int(period)
    except (OSError, ValueError):  # of other systems; "max" where there is none
        return None


def _megabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 10**9 else f"{count / 1e6:,.1f} MB"


def _start(names: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "cris.doctor", *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
    )


def _results(names: Sequence[str], process: "subprocess.Popen[str]") -> dict[str, dict[str, Any]]:
    """Return what each probe of a process found; an error where it found nothing."""
    try:
        out, err = process.communicate(timeout=_PROBE_SECONDS)
        if process.returncode < 0:
            reason = f"its process died of {signal.Signals(-process.returncode).name}"
        else:
            reason = (err.splitlines() or ["no answer"])[-1]
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        reason = f"no answer within {_PROBE_SECONDS:g} s"
    # libraries may print in between
    told = [line.removeprefix(_MARK) for line in out.splitlines() if line.startswith(_MARK)]
    found = [json.loads(line) for line in told]
    return dict(zip(names, [*found, *[{"error": reason}] * len(names)], strict=False))


def _probe_torch() -> dict[str, Any]:
    torch = importlib.import_module("torch")
    here = importlib.import_module("cris.engines.torch_engine").devices_here()
    devices = {}
    for device in here:
        try:
            works = bool((torch.ones(2, device=device) + 1).sum().item() == 4)
            name = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
            devices[device] = (works, name if works else "computes something else")
        except RuntimeError as error:
            devices[device] = (False, str(error).splitlines()[0])
    return {"works": True, "detail": f"works, with {torch.get_num_threads()} threads", "devices": devices}


def _probe_model() -> dict[str, Any]:
    import numpy as np

    from cris.registry import DEFAULT_MODEL
    from cris.segmenter import Segmenter

    start = time.perf_counter()
    segmenter = Segmenter.from_pretrained(DEFAULT_MODEL)
    segmenter.predict(np.zeros((32, 32, 3), dtype=np.uint8), "warm")
    seconds = time.perf_counter() - start
    return {
        "works": True,
        "detail": f"{DEFAULT_MODEL} loads and answers in {seconds:.1f} s, on {segmenter.device}",
    }


def _probe_onnx() -> dict[str, Any]:
    import numpy as np

    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(_ADDS_ITSELF, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.ones(1, dtype=np.float32)})
    assert found.tolist() == [2]
    return {"works": True, "detail": f"works, onnxruntime {runtime.__version__}"}


def _probe_openvino() -> dict[str, Any]:
    import numpy as np

    importlib.import_module("cris.engines")  # openvino then reports nothing
    openvino = importlib.import_module("openvino")
    core = openvino.Core()
    model = core.read_model(_ADDS_ITSELF, b"")
    found = core.compile_model(model, "CPU")([np.ones(1, dtype=np.float32)])[0]
    assert found.tolist() == [2]
    version = openvino.__version__.partition("-")[0]
    return {"works": True, "detail": f"works, openvino {version} on {', '.join(core.available_devices)}"}


_PROBES: dict[str, Callable[[], dict[str, Any]]] = {
    "torch": _probe_torch,
    "model": _probe_model,
    "onnx": _probe_onnx,
    "openvino": _probe_openvino,
}
_TOGETHER = (("torch", "model"), ("onnx",), ("openvino",))
"""Probes that share a process, as both import torch, which takes most of the time."""


def _main(name: str) -> None:
    try:
        found = _PROBES[name]()
    except ModuleNotFoundError as error:
        found = {"missing": error.name}
    except (InputError, OSError, MemoryError) as error:
        found = {"error": " ".join(str(error).split())}
    except Exception as error:
        found = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    sys.stdout.write(f"\n{_MARK}{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        _main(name)
