"""Evaluation in parts, by one process or several, with the same rows to the last bit."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path

from cris.data.dataset import Dataset
from cris.engines.engine import only_cpu
from cris.engines.export_folder import is_exported, read_exported
from cris.errors import InputError
from cris.evaluation.ask import measure
from cris.evaluation.rows import Row
from cris.huggingface.descriptor import is_huggingface
from cris.segmenter import Segmenter
from cris.workers import WorkerDiedError, cores, devices, limit_threads, run_tasks

PART_IMAGES = 32
"""Images of a part: fixed, and a multiple of all batch sizes, so that batches never depend on how parts are
dealt. A part is what is lost when an evaluation is interrupted."""
MOST_PROCESSES = 4
"""Most processes on a CPU that are used unasked: each holds the model, and the machine has other work."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRun:
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
        return -(-self.dataset.image_count // PART_IMAGES)

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
        if is_exported(self.checkpoint) or is_huggingface(self.checkpoint):
            found = Segmenter.from_pretrained(self.checkpoint, device)
        else:
            from cris.checkpoint import load_checkpoint
            from cris.engines.torch_engine import TorchEngine
            from cris.model.fuse import fuse

            loaded = load_checkpoint(self.checkpoint)
            engine = TorchEngine(fuse(loaded.model), device)
            found = Segmenter(engine, loaded.tokenizer, loaded.inference)
        if self.threshold not in (None, found.inference.threshold):
            found.inference = replace(found.inference, threshold=self.threshold, relative_threshold=1.0)
        return found

    def rows(self, segmenter: Segmenter, part: int) -> list[Row]:
        """Return the rows of a part; sentences that are cut are cut silently."""
        numbers = range(part * PART_IMAGES, min((part + 1) * PART_IMAGES, self.dataset.image_count))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images = map(self.dataset.image, numbers)
            return list(measure(segmenter, images, ambiguity=attrgetter("ambiguity")))


def run_parts(
    run: EvaluationRun, parts: Sequence[int], processes: int | None = None
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
    kind = run.kind_of_device()
    count = min(processes or (min(cores(), MOST_PROCESSES) if kind == "cpu" else 1), len(parts))
    if count > 1:
        yield from _in_processes(run, kind, parts, count)
        return
    with _one_thread() if kind == "cpu" else nullcontext():
        segmenter = run.segmenter(run.device) if parts else None
        for part in parts:
            assert segmenter is not None
            yield part, run.rows(segmenter, part)


def _in_processes(
    run: EvaluationRun, kind: str, parts: Sequence[int], processes: int
) -> Iterator[tuple[int, list[Row]]]:
    """Yield the parts from processes, to which several GPUs are dealt in turn."""
    places = devices(run.device) if kind == "cuda" else [run.device]
    setups = [partial(_set_up, run, kind, places[place % len(places)]) for place in range(processes)]
    try:
        with closing(run_tasks(setups, parts)) as done:
            for index, rows in done:
                yield parts[index], rows
    except WorkerDiedError as error:
        raise ChildProcessError(
            "processes of the evaluation were ended by the system again and again, most likely for want of "
            "memory: pass fewer --processes"
        ) from error


def _set_up(run: EvaluationRun, kind: str, device: str) -> Callable[[int], list[Row]]:
    """Load the model, in a worker process; return what measures a part with it."""
    if kind == "cpu":
        limit_threads(1)
    return partial(run.rows, run.segmenter(device))


@contextmanager
def _one_thread() -> Iterator[None]:
    told, torch = os.environ.get("OMP_NUM_THREADS"), sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    limit_threads(1)
    try:
        yield
    finally:
        if told is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = told
        if torch:
            torch.set_num_threads(threads)
