"""Evaluation in parts, by one process or several, with the same rows to the last bit."""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.sharedctypes import Synchronized
from operator import attrgetter
from pathlib import Path

from cris.data.dataset import Dataset
from cris.engines.engine import only_cpu
from cris.engines.export_folder import is_exported, read_exported
from cris.errors import InputError
from cris.evaluation.ask import measure
from cris.evaluation.rows import Row
from cris.segmenter import Segmenter

PART_PICTURES = 32
"""Images of a part: fixed, and a multiple of all batch sizes, so that batches never depend on how parts are
dealt. A part is what is lost when an evaluation is interrupted."""
MOST_PROCESSES = 4
"""Most processes on a CPU that are used unasked: each holds the model, and the machine has other work."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Measurement of a model on a data set; it can be sent to other processes."""

    checkpoint: Path
    dataset: Dataset
    threshold: float | None = None
    """Threshold in place of the checkpoint's own."""
    device: str = "auto"
    """Device, as for a `Segmenter`."""

    @property
    def parts(self) -> int:
        """Return the number of parts that the images make."""
        return -(-self.dataset.image_count // PART_PICTURES)

    def kind_of_device(self) -> str:
        """Return cpu, cuda or mps; an exported model runs on the CPU, and without torch.

        Raises:
            InputError: there is no such device here.
        """
        if is_exported(self.checkpoint):
            return only_cpu(self.device, read_exported(self.checkpoint).engine)
        from cris.engines.torch_engine import choose_device

        return choose_device(self.device).type

    def segmenter(self, device: str) -> Segmenter:
        """Return the model to measure; it caches nothing, as earlier requests would change last bits."""
        if is_exported(self.checkpoint):
            found = Segmenter.from_pretrained(self.checkpoint, device)
        else:
            from cris.checkpoint import load_checkpoint
            from cris.engines.torch_engine import TorchEngine
            from cris.model.fuse import fuse

            loaded = load_checkpoint(self.checkpoint)
            engine = TorchEngine(fuse(loaded.model), device)
            found = Segmenter(engine, loaded.tokenizer, loaded.inference)
        if self.threshold is not None:
            found.inference = replace(found.inference, threshold=self.threshold)
        return found

    def rows(self, segmenter: Segmenter, part: int) -> list[Row]:
        """Return the rows of a part; sentences that are cut are cut silently."""
        numbers = range(part * PART_PICTURES, min((part + 1) * PART_PICTURES, self.dataset.image_count))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = map(self.dataset.image, numbers)
            return list(measure(segmenter, images, ambiguity=attrgetter("ambiguity")))


def run_parts(
    run: Run, parts: Sequence[int], processes: int | None = None
) -> Iterator[tuple[int, list[Row]]]:
    """Yield number and rows of each of the parts, as they get done.

    On a CPU every process computes with one thread: how many there are changes the last bits of a sum.

    Args:
        run: what to measure
        parts: numbers of the parts to do
        processes: on this machine; None takes one for each core of a CPU, up to four, or one for a GPU

    Raises:
        InputError: the model, the device or the data are not as they must be.
        ChildProcessError: the system ended a process.
    """
    if processes is not None and processes < 1:
        raise InputError(f"processes must be at least 1, got {processes}")
    is_cpu = run.kind_of_device() == "cpu"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = processes or (min(cores, MOST_PROCESSES) if is_cpu else 1)
    if min(wanted, len(parts)) > 1:
        yield from _by_processes(run, parts, min(wanted, len(parts)))
        return
    with _one_thread() if is_cpu else nullcontext():
        segmenter = run.segmenter(run.device) if parts else None
        for part in parts:
            assert segmenter is not None
            yield part, run.rows(segmenter, part)


def _by_processes(run: Run, parts: Sequence[int], processes: int) -> Iterator[tuple[int, list[Row]]]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _start, (run, context.Value("i", 0)))
    try:
        futures = {pool.submit(_rows, part): part for part in parts}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a process of the evaluation was ended by the system, most likely for want of memory: "
            "pass fewer --processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_work: tuple[Run, str]
"""Measurement and device of this process, in a pool."""


def _start(run: Run, started: "Synchronized[int]") -> None:
    """Make this process one of a pool's; several GPUs are dealt in turn."""
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process tells the others when to end
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with started.get_lock():
        number = started.value
        started.value += 1
    kind = run.kind_of_device()
    if kind == "cpu":
        _use_one_thread()
    gpus = 0
    if kind == "cuda" and run.device in ("auto", "cuda"):
        import torch

        gpus = torch.cuda.device_count()
    _work = run, f"cuda:{number % gpus}" if gpus else run.device


@cache
def _segmenter() -> Segmenter:
    """Load the model with the first part, as errors of a pool's start would not be told."""
    run, device = _work
    return run.segmenter(device)


def _rows(part: int) -> list[Row]:
    return _work[0].rows(_segmenter(), part)


def _end_with_parent() -> None:
    """End this process with its parent, as it would wait for work for ever when that is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _use_one_thread() -> None:
    """Have torch, and the engines of exported models, compute with one thread from now on."""
    os.environ["OMP_NUM_THREADS"] = "1"  # what engines read when a model is opened, and torch when imported
    if "torch" in sys.modules:  # exported models do without it
        sys.modules["torch"].set_num_threads(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    told, torch = os.environ.get("OMP_NUM_THREADS"), sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    _use_one_thread()
    try:
        yield
    finally:
        if told is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = told
        if torch:
            torch.set_num_threads(threads)
