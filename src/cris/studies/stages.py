"""Stages of an experiment: trainings and measurements, each of which goes on where it was interrupted."""

import logging
import multiprocessing
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from cris.model.encoders import OwnImageEncoder
from cris.training.config import TrainConfig
from cris.training.loop import Outcome
from cris.training.loss import Loss
from cris.training.signals import end_if_stopped
from cris.training.train import train
from cris.workers import start_process

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainingStage:
    """Training of an experiment; it can be sent to other processes, with losses that are found by import."""

    config: TrainConfig
    data: Sequence[str]
    out: Path
    losses: Sequence[Loss] = ()
    image_encoder: OwnImageEncoder | None = None
    progress: bool = True

    def run(self) -> None:
        """Begin the training in `out`, or go on with it; signals end the experiment when it has saved.

        Raises:
            InputError: as `cris.train`.
            ChildProcessError: the system ended one of several processes.
        """
        logger.info("training %s in %s", self.config.recipe, self.out)
        count = self.config.processes
        outcome = self.train() if count == 1 else _in_processes(self, count)
        end_if_stopped(outcome.stopped_by)

    def train(self) -> Outcome:
        """Train in this process."""
        return train(
            self.config,
            data=self.data,
            out=self.out,
            resume=True,
            losses=self.losses,
            image_encoder=self.image_encoder,
            progress=self.progress,
        )


def _in_processes(stage: TrainingStage, count: int) -> Outcome:
    """Train in processes of one machine, which end with this one; return the outcome of the first.

    Fabric would start this program again for each of them, with all that the experiment did before.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends: list[Connection] = []
    processes: list[BaseProcess] = []
    try:
        for rank in range(count):
            ours, theirs = multiprocessing.Pipe(duplex=False)
            processes.append(start_process(_train_as, stage, rank, count, port, theirs))
            theirs.close()
            ends.append(ours)
        return _first_of(ends)
    finally:  # after an error the others would wait for ever; what they save then is waited for
        for process in processes:
            if process.is_alive():
                process.terminate()
        for process in processes:
            process.join()


def _first_of(ends: Sequence[Connection]) -> Outcome:
    """Return the outcome of the first process when all are done; raise the error of any that fails."""
    outcomes: dict[Connection, Outcome] = {}
    while missing := [end for end in ends if end not in outcomes]:
        for end in wait(missing):
            assert isinstance(end, Connection)
            try:
                told = end.recv()
            except EOFError as error:
                raise ChildProcessError(
                    "a process of the training was ended by the system, most likely for want of memory: "
                    "use fewer processes, or smaller batches"
                ) from error
            if isinstance(told, BaseException):
                raise told
            outcomes[end] = told
    return outcomes[ends[0]]


def _train_as(stage: TrainingStage, rank: int, count: int, port: int, told: Connection) -> None:
    """Train as one of several processes, which learn of each other as they would from torchrun."""
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0}
    sizes = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in (ranks | sizes).items()})
    os.environ.update(TORCHELASTIC_RUN_ID="cris", MASTER_ADDR="127.0.0.1")
    try:
        told.send(stage.train())
    except Exception as error:
        told.send(error)
