"""Local engine: processes of this machine, each with its own model."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from cris.batch.job import Shard
from cris.errors import InputError

ATTEMPTS = 3
"""Attempts at a shard whose process dies, such as for lack of memory."""
_LAST_SECONDS = 5
"""Seconds that a process gets to end by itself."""


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Engine that segments shards on processes of this machine."""

    checkpoint: Path
    device: str = "auto"
    processes: int | None = None
    """Number of processes; None for one per core, or one per GPU where the device is CUDA."""

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[int, bytes]]:
        """Yield the number and content of each shard, in order of completion; closing it ends the processes.

        Raises:
            InputError, MemoryError, OSError: as in a process.
            InputError: processes die at a shard again and again.
        """
        devices = _devices(self.device)
        count = self.processes or (len(devices) if devices[0].startswith("cuda") else os.cpu_count() or 1)
        waiting, deaths = deque(shards), Counter[int]()
        workers: list[_Worker] = []
        try:
            for place in range(min(count, len(shards))):
                workers.append(_Worker.start(self.checkpoint, devices[place % len(devices)]))
                workers[-1].ask(waiting.popleft())
            while busy := {worker.connection: worker for worker in workers if worker.shard is not None}:
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]  # we gave it Connections only
                    shard = worker.shard
                    assert shard is not None
                    try:
                        answer = worker.answer()
                    except EOFError:
                        deaths[shard.number] += 1
                        if deaths[shard.number] == ATTEMPTS:
                            raise InputError(_died(shard, worker)) from None
                        workers.remove(worker)
                        worker.end()
                        workers.append(_Worker.start(self.checkpoint, worker.device))
                        workers[-1].ask(shard)
                        continue
                    worker.ask(waiting.popleft() if waiting else None)
                    yield shard.number, answer
        finally:
            for worker in workers:
                worker.end()


@dataclass(slots=True)
class _Worker:
    """A worker process, as its parent sees it."""

    process: SpawnProcess
    connection: Connection
    device: str
    shard: Shard | None = None
    """Shard that it is working on."""

    @classmethod
    def start(cls, checkpoint: Path, device: str) -> "_Worker":
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, checkpoint, device), daemon=True)
        with _interrupts_ignored():
            process.start()
        theirs.close()  # so that we see the end of the connection when the process dies
        return cls(process, ours, device)

    def ask(self, shard: Shard | None) -> None:
        self.shard = shard
        if shard is not None:
            with suppress(OSError):  # it died; reading from it says so
                self.connection.send(shard)

    def answer(self) -> bytes:
        """Return what the process sends; raise its error, or EOFError when it died."""
        try:
            answer = self.connection.recv()
        except OSError as error:
            raise EOFError from error
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, bytes)
        return answer

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(_LAST_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _work(connection: Connection, checkpoint: Path, device: str) -> None:
    """Answer shards until the other end of the connection closes, as it does when our parent dies."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        from cris.batch.shard import segment_shard
        from cris.batch.threads import segmenter_of

        segmenter = segmenter_of(checkpoint, device, threads=1)
        while True:
            connection.send(segment_shard(segmenter, connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        is_known = isinstance(error, InputError | MemoryError | OSError)
        told = error if is_known else RuntimeError(f"{type(error).__name__}: {error}")  # any of them pickles
        told.add_note(f"in a process of the local engine:\n{traceback.format_exc()}")
        connection.send(told)


def _devices(name: str) -> list[str]:
    """Return the devices, which processes take in turn."""
    if name == "cpu":  # without torch, as exported models run
        return [name]
    from cris.engines.torch_engine import choose_device

    device = choose_device(name)
    if device.type != "cuda" or name.startswith("cuda:"):
        return [str(device)]
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def _died(shard: Shard, worker: _Worker) -> str:
    worker.process.join(_LAST_SECONDS)
    first, last = shard.tasks[0].picture.id, shard.tasks[-1].picture.id
    return (
        f"{ATTEMPTS} processes died at the pictures {first} to {last} (exit code {worker.process.exitcode}), "
        "perhaps for lack of memory: take fewer --processes, and pass --resume"
    )


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Leave Ctrl-C to this process: child processes started inside ignore it."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
