"""Ray engine: segment shards on a cluster's nodes or this machine's cores, one model per worker."""

import logging
import os
import signal
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cris import __version__
from cris.batch.job import Shard, model_files
from cris.errors import InputError
from cris.workers import ATTEMPTS

if TYPE_CHECKING:
    from cris.segmenter import Segmenter

_ON_THIS_MACHINE = {
    # Ray's name for it says less than it does: its ports are on loopback, not on every address
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
_STARTS = 3
"""Attempts to start a cluster of our own."""
_STORE_BYTES = 2 * 2**30
"""Object store size of a cluster of our own: it holds the model's files and the shards in transit."""
_WAIT_SECONDS = 30
"""Seconds without a finished shard before we check whether the cluster has any nodes left."""


@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """Engine that segments shards as Ray tasks, one GPU each where the cluster has GPUs, else on CPU cores.

    A shard is restarted elsewhere when its node is lost. Only this process writes; the model's files and
    the shards' content travel through Ray, so nodes need no shared folder unless the images are in one.
    """

    checkpoint: Path
    device: str = "auto"
    address: str | None = None
    """Address of a running cluster, such as 10.0.0.1:6379; None starts one of our own on this machine."""
    cpus: float = 1
    """Cores per worker, and torch threads in it; less than 1 lets several workers share a core."""

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[int, bytes]]:
        """Yield the number and content of each shard, in order of completion; closing it ends the tasks.

        Raises:
            InputError, MemoryError, OSError: as in a worker; also when no node has room for one, or workers
                die at a shard again and again.
        """
        with _connected(self.address) as ray:
            resources = ray.cluster_resources()
            gpus = 1 if self.device != "cpu" and resources.get("GPU", 0) >= 1 else 0
            if not _has_room(ray, self.cpus):
                raise InputError(f"no node of the Ray cluster has {self.cpus:g} cores: take fewer --cpus")
            names = model_files(self.checkpoint)
            files = ray.put({name: (self.checkpoint / name).read_bytes() for name in names})
            segment = ray.remote(
                num_cpus=self.cpus,
                num_gpus=gpus,
                max_retries=ATTEMPTS - 1,
                max_calls=0,  # else Ray ends a GPU's process, and with it the model, after each shard
            )(_segment)
            device = self.device if gpus else "cpu"
            waiting, pending = deque(shards), dict[Any, Shard]()
            while waiting or pending:
                slots = resources.get("GPU", 0) if gpus else resources.get("CPU", 0) / self.cpus
                while waiting and len(pending) < 2 * slots + 2:  # so that no worker waits for us
                    shard = waiting.popleft()
                    pending[segment.remote([files], device, self.cpus, shard, __version__)] = shard
                done, _ = ray.wait(list(pending), timeout=_WAIT_SECONDS)
                if not done:
                    resources = ray.cluster_resources()
                    if not _has_room(ray, self.cpus):
                        warnings.warn("no node of the Ray cluster has room: waiting", stacklevel=2)
                for answer in done:
                    yield pending.pop(answer).number, _answer(ray, answer)


def _segment(files: list[Any], device: str, cpus: float, shard: Shard, version: str) -> bytes:
    """Return a shard's content; runs in a Ray worker, which keeps the model for its next shard."""
    from cris.batch.reading import is_within_reach
    from cris.batch.shard import segment_shard

    if version != __version__:
        raise InputError(f"the nodes of the Ray cluster must have cris {version}, one has {__version__}")
    if not is_within_reach([task.image for task in shard.tasks if task.error is None]):
        raise InputError(
            f"a node of the Ray cluster does not see the images, such as {shard.tasks[0].image.url}: "
            "put them in an object store, or in a folder that all nodes share"
        )
    return segment_shard(_segmenter(files[0], device, threads=max(1, int(cpus))), shard)


_kept: dict[Any, "Segmenter"] = {}
"""This worker's model, by the reference to its files."""


def _segmenter(files: Any, device: str, *, threads: int) -> "Segmenter":
    import ray

    from cris.batch.threads import segmenter_of
    from cris.checkpoint import CARD

    if files not in _kept:
        _kept.clear()
        with tempfile.TemporaryDirectory() as folder:
            for file, content in ray.get(files).items():
                (Path(folder) / file).write_bytes(content)
            (Path(folder) / CARD).touch()
            _kept[files] = segmenter_of(Path(folder), device, threads=threads)
    return _kept[files]


def _answer(ray: Any, answer: Any) -> bytes:
    """Return what a task made, or raise its error in our terms."""
    try:
        content: bytes = ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError | MemoryError | OSError):
            raise error.cause from error
        raise
    except (ray.exceptions.RaySystemError, ray.exceptions.WorkerCrashedError) as error:
        raise InputError(
            f"Ray lost a worker {ATTEMPTS} times at one shard: {error}; pass --resume"
        ) from error
    except (ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError) as error:
        raise InputError(f"Ray gave up a shard after {ATTEMPTS} tries: {error}; pass --resume") from error
    return content


def _has_room(ray: Any, cpus: float) -> bool:
    nodes = (node for node in ray.nodes() if node["Alive"])
    return any(node["Resources"].get("CPU", 0) >= cpus for node in nodes)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Yield Ray connected to a cluster, by default one of our own; signal handlers stay ours."""
    settings = {"RAY_USAGE_STATS_ENABLED": "0"} | ({} if address else _ON_THIS_MACHINE)
    os.environ.update({name: value for name, value in settings.items() if name not in os.environ})
    import ray  # which reads these at once

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _init(ray, address)
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)
        yield ray
    finally:
        ray.shutdown()


def _init(ray: Any, address: str | None) -> None:
    """Connect to a cluster, or start one; retry, as Ray gives up a start that takes over half a minute."""
    for left in reversed(range(1 if address else _STARTS)):
        try:
            ray.init(
                address or "local",
                include_dashboard=None if address else False,
                object_store_memory=None if address else _STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # of no class of its own
            ray.shutdown()
            if not left:
                what = f"the Ray cluster {address} cannot be reached" if address else "Ray does not start"
                raise InputError(f"{what}: {error}") from error
        else:
            return
