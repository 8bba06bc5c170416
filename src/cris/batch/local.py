"""Local engine: processes of this machine, each with its own model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cris.batch.job import Shard
from cris.errors import InputError
from cris.workers import ATTEMPTS, WorkerDiedError, cores, devices, run_tasks


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
        places = devices(self.device)
        count = self.processes or (len(places) if places[0].startswith("cuda") else cores())
        setups = [partial(_set_up, self.checkpoint, places[place % len(places)]) for place in range(count)]
        try:
            with closing(run_tasks(setups, shards)) as done:
                for index, content in done:
                    yield shards[index].number, content
        except WorkerDiedError as error:
            tasks = shards[error.index].tasks
            raise InputError(
                f"{ATTEMPTS} processes died at the images {tasks[0].image.id} to {tasks[-1].image.id} "
                f"(exit code {error.exit_code}), perhaps for lack of memory: take fewer --processes, and "
                "pass --resume"
            ) from None


def _set_up(checkpoint: Path, device: str) -> Callable[[Shard], bytes]:
    """Load the model, in a worker process; return what segments a shard with it."""
    from cris.batch.shard import segment_shard
    from cris.batch.threads import segmenter_of

    return partial(segment_shard, segmenter_of(checkpoint, device, threads=1))
