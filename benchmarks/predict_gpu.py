"""Prediction on a GPU: images a second, fused and compiled in bfloat16, against fp16 autocast.

python -m benchmarks.predict_gpu [--seconds 10] [--batches 1 8 64]

RN50 with random weights at 416×416, one sentence an image, images on the device. Takes less than ten
minutes, most of them for compiling. `--device cpu --model tiny` tries it where there is no GPU, uncompiled.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.models import NAMES, random_checkpoint
from benchmarks.straightforward import predict_plainly
from cris.checkpoint import Checkpoint, load_checkpoint
from cris.config_file import StoredConfig
from cris.export.samples import noise_samples
from cris.model.fuse import fuse, to_bfloat16

Predict = Callable[[Tensor, Tensor], Tensor]
"""Images and tokens → logits."""


def straightforward(checkpoint: Checkpoint, device: str) -> Predict:
    """Prepare the released way: eager, fp16 by autocast, one convolution group for each sample."""
    model = checkpoint.model.to(device)
    lower = torch.float16 if device.startswith("cuda") else torch.bfloat16

    def run(images: Tensor, tokens: Tensor) -> Tensor:
        with torch.autocast(torch.device(device).type, lower):
            return predict_plainly(model, images, tokens)

    return run


def ours(checkpoint: Checkpoint, device: str, *, is_compiled: bool) -> Predict:
    """Prepare our model in bfloat16."""
    model = to_bfloat16(fuse(checkpoint.model)).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    forward: Predict = torch.compile(model) if is_compiled else model
    return lambda images, tokens: forward(images.bfloat16(), tokens)


@torch.inference_mode()
def images_per_second(run: Predict, images: Tensor, tokens: Tensor, seconds: float) -> float:
    """Return the median over five stretches, after three calls that do not count."""
    synchronise = torch.cuda.synchronize if images.is_cuda else lambda: None
    for _ in range(3):
        run(images, tokens)
    rates = []
    for _ in range(5):
        synchronise()
        start, calls = time.perf_counter(), 0
        while calls == 0 or time.perf_counter() - start < seconds / 5:
            run(images, tokens)
            synchronise()
            calls += 1
        rates.append(calls * len(images) / (time.perf_counter() - start))
    return statistics.median(rates)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table for the docs; return 1 without the device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each path and batch")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--model", choices=NAMES, default="RN50")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args(argv)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("predict_gpu needs a CUDA device, there is none here; --device cpu tries it", file=sys.stderr)
        return 1
    is_cuda = options.device.startswith("cuda")
    with tempfile.TemporaryDirectory() as temporary:
        folder = random_checkpoint(Path(temporary), options.model)
        loaded = load_checkpoint(folder)
        paths = {
            "straightforward, autocast": straightforward(load_checkpoint(folder), options.device),
            "cris, bf16": ours(load_checkpoint(folder), options.device, is_compiled=False),
        }
        if is_cuda:
            paths["cris, bf16, compiled"] = ours(load_checkpoint(folder), options.device, is_compiled=True)
    name = torch.cuda.get_device_name() if is_cuda else options.device
    print(f"{options.model}, one {name}: images a second")
    print(f"| batch | {' | '.join(paths)} | gain |\n|---|{'---|' * len(paths)}---|")
    config = StoredConfig(model=loaded.model.config, inference=loaded.inference)
    samples = noise_samples(max(options.batches), config)
    images = torch.cat([torch.from_numpy(sample.image) for sample in samples]).to(options.device)
    tokens = torch.cat([torch.from_numpy(sample.tokens) for sample in samples]).to(options.device)
    for batch in options.batches:
        rates = [
            images_per_second(run, images[:batch], tokens[:batch], options.seconds) for run in paths.values()
        ]
        cells = " | ".join(f"{rate:,.0f}" for rate in rates)
        print(f"| {batch} | {cells} | {rates[-1] / rates[0]:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
