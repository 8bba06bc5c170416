"""Pool of worker processes on this machine, each of which sets itself up once and then does tasks."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from cris.errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")
Setup = Callable[[], Callable[[Any], Any]]
"""Function without arguments that can be pickled; called once in a process, it returns what does a task."""

ATTEMPTS = 3
"""Attempts at a task whose process dies, such as for lack of memory."""
_SLOW_TO_IMPORT = ("torch", "lightning_fabric")
"""Packages that processes have from the start where this one has imported them."""
_LAST_SECONDS = 5
"""Seconds that a process gets to end by itself."""


class WorkerDiedError(ChildProcessError):
    """Processes died at one task again and again."""

    def __init__(self, index: int, exit_code: int | None) -> None:
        super().__init__(f"{ATTEMPTS} processes died at the same task (exit code {exit_code})")
        self.index = index
        """Index of the task."""
        self.exit_code = exit_code
        """Exit code of the last process."""


def run_tasks(
    setups: Sequence[Callable[[], Callable[[Task], Result]]], tasks: Sequence[Task]
) -> Generator[tuple[int, Result]]:
    """Yield index and result of each task, in order of completion; closing the iterator ends the processes.

    The death of a process costs a new process and another attempt. Processes ignore Ctrl-C, which is for
    this process to handle, and end when this process does.

    Args:
        setups: for each process what makes its function; no more processes start than there are tasks
        tasks: sent to a process one at a time

    Raises:
        InputError, MemoryError, OSError, ImportError: as raised in a process, whose traceback is a note.
        RuntimeError: another error was raised in a process; the note has its traceback.
        WorkerDiedError: `ATTEMPTS` processes died at a task.
    """
    waiting, deaths = deque(range(len(tasks))), Counter[int]()
    workers: list[_Worker] = []
    try:
        for setup in setups[: len(tasks)]:
            workers.append(_Worker.start(setup))
            workers[-1].send(waiting.popleft(), tasks)
        while busy := {worker.connection: worker for worker in workers if worker.index is not None}:
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]  # we gave it Connections only
                index = worker.index
                assert index is not None
                try:
                    result = worker.receive()
                except EOFError:
                    deaths[index] += 1
                    if deaths[index] == ATTEMPTS:
                        raise WorkerDiedError(index, worker.exit_code()) from None
                    workers.remove(worker)
                    worker.end()
                    workers.append(_Worker.start(worker.setup))
                    workers[-1].send(index, tasks)
                    continue
                worker.send(waiting.popleft() if waiting else None, tasks)
                yield index, result
    finally:
        for worker in workers:
            worker.end()


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices(name: str) -> list[str]:
    """Return the devices that processes take in turn: all GPUs where `name` means CUDA without a number."""
    if name == "cpu":  # without torch, as exported models run
        return [name]
    from cris.engines.torch_engine import choose_device

    device = choose_device(name)
    if device.type != "cuda" or name.startswith("cuda:"):
        return [str(device)]
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def start_process(target: Callable[..., object], *args: Any, daemon: bool = False) -> BaseProcess:
    """Start a process that has this one's environment and none of its state; it calls `target` with `args`.

    On Linux a server of the standard library forks it, which has imported torch once for all of them.
    Elsewhere a fork of what has loaded the system's libraries is not safe.
    """
    if sys.platform == "linux":
        context: Any = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([name for name in _SLOW_TO_IMPORT if name in sys.modules])
    else:
        context = multiprocessing.get_context("spawn")
    process: BaseProcess = context.Process(target=_call, args=(dict(os.environ), target, args), daemon=daemon)
    process.start()
    return process


def _call(environment: Mapping[str, str], target: Callable[..., object], args: Sequence[Any]) -> None:
    os.environ.clear()  # the server has that of when it was started
    os.environ.update(environment)
    target(*args)


def limit_threads(count: int) -> None:
    """Have torch, and the engines of exported models, compute with so many threads from now on."""
    os.environ["OMP_NUM_THREADS"] = str(count)  # read when torch is imported, and when an engine starts
    if "torch" in sys.modules:  # exported models do without it
        sys.modules["torch"].set_num_threads(count)


@dataclass(slots=True)
class _Worker:
    """A worker process, as its parent sees it."""

    process: BaseProcess
    connection: Connection
    setup: Setup
    index: int | None = None
    """Index of the task that it is working on."""

    @classmethod
    def start(cls, setup: Setup) -> "_Worker":
        ours, theirs = multiprocessing.Pipe()
        with _interrupts_ignored():
            process = start_process(_work, theirs, setup, daemon=True)
        theirs.close()  # so that we see the end of the connection when the process dies
        return cls(process, ours, setup)

    def send(self, index: int | None, tasks: Sequence[Any]) -> None:
        self.index = index
        if index is not None:
            with suppress(OSError):  # it died; reading from it says so
                self.connection.send(tasks[index])

    def receive(self) -> Any:
        """Return what the process sends; raise its error, or EOFError when it died."""
        try:
            result, error = self.connection.recv()
        except OSError as broken:
            raise EOFError from broken
        if error is not None:
            raise error
        return result

    def exit_code(self) -> int | None:
        self.process.join(_LAST_SECONDS)
        return self.process.exitcode

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(_LAST_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _work(connection: Connection, setup: Setup) -> None:
    """Do tasks until the other end of the connection closes, or our parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        do = setup()
        while True:
            connection.send((do(connection.recv()), None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        is_known = isinstance(error, InputError | MemoryError | OSError | ImportError)
        told = error if is_known else RuntimeError(f"{type(error).__name__}: {error}")  # any of them pickles
        told.add_note(f"in a worker process:\n{traceback.format_exc()}")
        connection.send((None, told))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Leave Ctrl-C to this process: child processes started inside ignore it from their start."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
