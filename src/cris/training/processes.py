"""Launch of Fabric processes; all-reduce helpers."""

import os
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.amp import MixedPrecision
from lightning_fabric.plugins.precision.double import DoublePrecision
from lightning_fabric.plugins.precision.precision import Precision
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from cris.errors import InputError
from cris.training.config import TrainConfig


class _DoublePrecision(DoublePrecision):
    """Double precision, outputs included."""

    def convert_output(self, data: Any) -> Any:
        return data


def precision_of(name: str, device: str) -> Precision:
    """Return the precision plugin for "cuda" or "cpu"; float16 brings a scaler of the loss."""
    if name == "fp64":
        return _DoublePrecision()
    if name == "fp32":
        return Precision()
    return MixedPrecision("16-mixed" if name == "fp16" else "bf16-mixed", device)


def launch(config: TrainConfig) -> Fabric:
    """Return the Fabric of this run, in each of its processes, which it starts unless torchrun or SLURM have.

    Raises:
        InputError: a batch does not divide evenly over the processes, or the device is not there.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no CUDA device here: pass --device cpu, or auto")
    here, machines = world_of(config)
    is_cuda = config.device != "cpu" and torch.cuda.is_available()
    fabric = Fabric(
        accelerator=config.device,
        devices=here,
        num_nodes=machines,
        plugins=[precision_of(config.precision, "cuda" if is_cuda else "cpu")],
        # buffers are BatchNorm's statistics, which `norms` brings together
        strategy=DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True)
        if here * machines > 1
        else "auto",
    )
    fabric.launch()
    return fabric


def world_of(config: TrainConfig) -> tuple[int, int]:
    """Return the processes on this machine, and the number of machines.

    Raises:
        InputError: a batch does not divide evenly over the processes.
    """
    here, machines = _started_outside() or (config.processes, 1)
    if config.sampling.pictures % (here * machines * config.accumulation):
        raise InputError(
            f"sampling.pictures must divide by {here * machines} processes × {config.accumulation} parts, "
            f"got {config.sampling.pictures}"
        )
    return here, machines


def _started_outside() -> tuple[int, int] | None:
    """Return processes on this machine and number of machines if torchrun or SLURM started this one."""
    told = os.environ
    if "TORCHELASTIC_RUN_ID" in told:
        here = int(told["LOCAL_WORLD_SIZE"])
        return here, int(told["WORLD_SIZE"]) // here
    if "SLURM_PROCID" in told and int(told.get("SLURM_NTASKS", 1)) > 1:
        machines = int(told["SLURM_NNODES"])
        return int(told.get("SLURM_NTASKS_PER_NODE", int(told["SLURM_NTASKS"]) // machines)), machines
    return None


def all_reduce_sum(fabric: Fabric, values: Tensor) -> Tensor:
    """Return the sum over all processes."""
    if fabric.world_size == 1:
        return values
    total = fabric.all_reduce(values.to(fabric.device), reduce_op="sum")
    assert isinstance(total, Tensor)
    return total


def all_reduce_max(fabric: Fabric, value: int) -> int:
    """Return the largest value of any process."""
    if fabric.world_size == 1:
        return value
    most = fabric.all_reduce(torch.tensor(float(value), device=fabric.device), reduce_op="max")
    assert isinstance(most, Tensor)
    return int(most)


def all_gather(fabric: Fabric, part: Any) -> list[Any]:
    """Return the values of all processes, in their order."""
    if fabric.world_size == 1:
        return [part]
    parts: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(parts, part)
    return parts


def seed_step(config: TrainConfig, step: int, process: int) -> torch.Generator:
    """Seed everything that is drawn in a step by its number, so that a resumed run draws the same.

    torch's generators serve dropout; the one returned, on the CPU, serves what the loop draws itself.
    """
    first, second = np.random.SeedSequence((config.seed, step, process)).generate_state(2, np.uint64)
    torch.manual_seed(int(first >> np.uint64(1)))
    return torch.Generator().manual_seed(int(second >> np.uint64(1)))
