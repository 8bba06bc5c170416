"""Measures engines against each other: each in its own process, taking turns, so that noise is shared."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

from cris.process_memory import peak_bytes

Prepare = Callable[[], Callable[[], object]]
"""Sets an engine up in its process and returns the work to time."""


@dataclass(frozen=True)
class Measured:
    """Needs of one engine."""

    seconds: list[float]
    """Seconds of each turn."""
    peak_bytes: int
    """Most memory resident in its process, the interpreter and libraries included; not its parent's."""

    @property
    def median(self) -> float:
        """Seconds of the turn in the middle."""
        return statistics.median(self.seconds)


def take_turns(engines: Mapping[str, Prepare], turns: int, uncounted: int = 1) -> dict[str, Measured]:
    """Time every engine `turns` times, one after the other, after some turns that do not count."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    for name, prepare in engines.items():
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(prepare, there), daemon=True)
        process.start()
        processes.append(process)
        pipes[name] = here
        here.recv()  # ready, before the next one starts
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(uncounted + turns):
        for name, pipe in pipes.items():
            pipe.send(True)
            spent = pipe.recv()
            if turn >= uncounted:
                seconds[name].append(spent)
    peaks = {}
    for name, pipe in pipes.items():
        pipe.send(False)
        peaks[name] = pipe.recv()
    for process in processes:
        process.join()
    return {name: Measured(seconds[name], peaks[name]) for name in engines}


def ratio(measured: Mapping[str, Measured], engine: str, baseline: str) -> float:
    """Median over turns of the engine's time as a share of the baseline's in the same turn."""
    pairs = zip(measured[engine].seconds, measured[baseline].seconds, strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)


def _work(prepare: Prepare, pipe: Connection) -> None:
    work = prepare()
    pipe.send("ready")
    while pipe.recv():
        start = time.perf_counter()
        work()
        pipe.send(time.perf_counter() - start)
    pipe.send(peak_bytes())
