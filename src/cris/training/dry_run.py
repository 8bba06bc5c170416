"""What a run would take, from its first two steps."""

import os
import time
from dataclasses import dataclass

import torch

from cris.model.cris import Cris
from cris.training.advice import memory_advice
from cris.training.config import TrainConfig, resolved
from cris.training.material import Material, build_loader, build_stream
from cris.training.processes import launch
from cris.training.progress import peak_memory
from cris.training.step import Learner

_USABLE = 0.9  # of a device's memory: allocators leave gaps


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What two steps told."""

    steps: int
    """Of the whole recipe."""
    seconds: float
    """Of a step: the second one, as the first also prepares."""
    memory: float
    """Most that a process held, in GB."""
    available: float
    """Of the device, or of this process's share of the machine, in GB."""
    pictures: int
    """That one process took at a time."""
    fitting: int
    """That one process could take at a time, if memory grows with them."""
    is_first: bool
    """Whether this is the process that speaks for all."""

    @property
    def hours(self) -> float:
        """Of the whole recipe, without validation."""
        return self.steps * self.seconds / 3600

    def __str__(self) -> str:
        """For people."""
        return (
            f"{self.seconds:.2f} s a step; {self.steps:,} steps take about {self.hours:.1f} hours, "
            f"validation apart\n{self.memory:.1f} GB of {self.available:.1f} GB with {self.pictures} "
            f"pictures at a time in each process; about {self.fitting} fit"
        )


def dry_run(config: TrainConfig, model: Cris, material: Material) -> Estimate:
    """Builds everything and takes two steps; nothing is written.

    Raises:
        MemoryError: with advice.
    """
    fabric = launch(config)
    config = resolved(config, build_stream(config, material).groups_per_epoch)
    device = fabric.device
    with memory_advice(config):
        learner = Learner(config, model, fabric)
        batches = iter(build_loader(config, material, rank=fabric.global_rank, processes=fabric.world_size))
        weights = sum(parameter.nbytes for parameter in learner.model.parameters()) / 1e9
        resting = (
            peak_memory(device) + 3 * weights
        )  # gradients and Adam's two moments come with the first step
        for _ in range(2):
            started = time.monotonic()
            learner.take([next(batches) for _ in range(config.accumulation)])  # its figures wait for the GPU
            seconds = time.monotonic() - started
    memory = peak_memory(device)
    pictures = config.sampling.pictures // (fabric.world_size * config.accumulation)
    available = _device_memory(device) / (1 if device.type == "cuda" else fabric.world_size)
    each = max(memory - resting, 1e-3) / pictures
    return Estimate(
        steps=config.length,
        seconds=seconds,
        memory=memory,
        available=available,
        pictures=pictures,
        fitting=max(0, int((_USABLE * available - resting) / each)),
        is_first=fabric.is_global_zero,
    )


def _device_memory(device: torch.device) -> float:
    """In GB."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 1e9
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
