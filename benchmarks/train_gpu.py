"""Training on one GPU, RN50 at 416, batches of 64: ours (bfloat16, compiled, channels-last), the plain way.

python -m benchmarks.train_gpu [--steps N] [--batch N] [--device cpu --tiny]

Each path runs in a process of its own, one after the other: five steps that do not count, compiling among
them, then N (30). The plain path is `benchmarks/straightforward.py` under float16 autocast, with a loss
scaler and Adam as torch has it. Batches are random and lie on the device, so the loader takes no part.
--device cpu --tiny takes a small model, to see that everything runs.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.models import TINY_CONFIG
from benchmarks.straightforward import predict_plainly
from benchmarks.train_cpu import random_batch
from cris.model import build_cris
from cris.model.output import ModelOutput
from cris.training.config import TrainConfig
from cris.training.loss import Objective
from cris.training.processes import launch
from cris.training.progress import peak_memory
from cris.training.recipes import fixed
from cris.training.trainer import Trainer

WARM_UP = 5
"""Steps that do not count."""
PEAK_TFLOPS = {
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "H200": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "RTX 4090": 165,
}
"""Dense bfloat16 peaks from NVIDIA's data sheets, by a part of the device's name; the first that fits."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Needs of one path."""

    seconds: float
    """Median seconds of a step."""
    gigabytes: float
    """Most memory that it held on the device; of the process where that is a CPU."""


def recipe(batch: int, device: Literal["cpu", "cuda"], *, is_tiny: bool) -> TrainConfig:
    """Return the config of `fixed` on RefCOCO as a GPU runs it best."""
    config = fixed("refcoco", "rn50")
    config = replace(
        config,
        start="",
        steps=1000,
        precision="bf16",
        compile=not is_tiny,
        device=device,
        sampling=replace(config.sampling, pictures=batch),
    )
    if not is_tiny:
        return config
    return replace(config, model=TINY_CONFIG, inference=replace(config.inference, input_size=64))


def prepare(path: str, config: TrainConfig) -> Callable[[], object]:
    """Prepare a step on one batch, the plain way or ours; both wait for the device."""
    torch.manual_seed(0)
    device = torch.device(config.device)
    batch = random_batch(config).to(device)
    if path == "cris":
        trainer = Trainer(config, build_cris(config.model), launch(config))
        return lambda: trainer.training_step([batch])
    model = build_cris(config.model).train().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.optimizer.learning_rate)
    objective = Objective(config.objectives)
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")

    def plain() -> float:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.float16):
            logits = predict_plainly(model, batch.inputs().contiguous(), batch.tokens)
        loss = torch.stack(list(objective(ModelOutput(logits.float()), batch).values())).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    return plain


def measure(path: str, config: TrainConfig, steps: int) -> Measured | None:
    """Return the needs of the path, in this process; None when memory does not suffice."""
    try:
        work = prepare(path, config)
        for _ in range(WARM_UP):
            work()
        seconds = []
        for _ in range(steps):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    except torch.OutOfMemoryError:
        return None
    memory = peak_memory(torch.device(config.device))
    return Measured(seconds=statistics.median(seconds), gigabytes=memory)


def flops(config: TrainConfig) -> int:
    """Return the operations of a training step for one sentence on one image, 2 for each multiply-add.

    Counted on the straightforward path, on tensors without content: who saves arithmetic counts no less.
    """
    pair = replace(config, sampling=replace(config.sampling, pictures=2))  # BatchNorm needs two
    batch = random_batch(pair).to(torch.device("meta"))
    with torch.device("meta"):
        model = build_cris(config.model).train()
    images = torch.empty(*batch.images.shape, device="meta")
    with FlopCounterMode(display=False) as counter:
        predict_plainly(model, images, batch.tokens).sum().backward()
    return int(counter.get_total_flops()) // 2


def peak(device: str) -> float | None:
    """FLOP a second that the device could do at best; None when we do not know it."""
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return next((1e12 * tera for part, tera in PEAK_TFLOPS.items() if part in name), None)


def main() -> None:
    """Print the table for the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--steps", type=int, default=30, help="timed steps of each path")
    parser.add_argument("--batch", type=int, default=64, help="images, with one sentence each")
    parser.add_argument("--tiny", action="store_true", help="a small model at 64 pixels, not compiled")
    told = parser.parse_args()
    if told.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this needs a CUDA device; to see that it runs: --device cpu --tiny")
    config = recipe(told.batch, told.device, is_tiny=told.tiny)
    each, most = flops(config), peak(told.device)
    name = torch.cuda.get_device_name() if told.device == "cuda" else "a CPU"
    print(f"{name}, torch {torch.__version__}: {'a small model' if told.tiny else 'RN50, 416×416'}")
    print(f"batches of {told.batch}, {told.steps} steps each, {each / 1e9:.1f} GFLOP a sample")
    print("| path | samples/s | TFLOP/s | of the peak | GB at most |")
    print("|---|---|---|---|---|")
    for path in ("plain", "cris"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            found = alone.submit(measure, path, config, told.steps).result()
        if found is None:
            print(f"| {path} | out of memory | – | – | – |", flush=True)
            continue
        speed = told.batch / found.seconds
        share = "–" if most is None else f"{speed * each / most:.1%}"
        row = f"{speed:.1f} | {speed * each / 1e12:.2f} | {share} | {found.gigabytes:.2f}"
        print(f"| {path} | {row} |", flush=True)


if __name__ == "__main__":
    main()
