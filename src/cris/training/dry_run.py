"""Estimate of a run's time and memory, measured with few images and extrapolated to the whole batch."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import torch

from cris.data.annotations.references import SPLIT_SIZES
from cris.data.loading.loader import Batch
from cris.letterbox import CELL
from cris.model.build import build_cris
from cris.model.tokenizer import Tokenizer
from cris.process_memory import reset_peak, resident_bytes
from cris.registry import names_clip, resolve
from cris.training.config import TrainConfig, resolved
from cris.training.memory import memory_advice, out_of_memory
from cris.training.processes import launch, world_of
from cris.training.progress import peak_memory
from cris.training.setup import Setup, build_loader, build_stream, choose_tokenizer, open_setup
from cris.training.trainer import Trainer

_USABLE = 0.9  # of a device's memory: allocators leave gaps
_CPU_GB = 2.8
"""Most memory in GB that a dry run itself takes where it can; half of the machine's on small machines."""
_SECONDS = 10.0
"""Longest pass that is measured."""
_PASSES = 3
"""Passes over the most images that are measured."""
_WORDS = 0.75
"""Share of the longest sentence that stand-ins for sentences have."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimated needs of a run, extrapolated from a few images."""

    steps: int | None
    """Steps of the whole recipe; None where they depend on data that was not named."""
    seconds: float
    """Seconds per step."""
    static: float
    """Memory of a process in GB that does not depend on the number of images."""
    each: float
    """Memory per image, in GB."""
    gradients: float
    """Memory of the gradients in GB, which take the place of features in the backward pass."""
    available: float
    """Available memory in GB, of the device or of this process's share of the machine."""
    pictures: int
    """Images that one process takes at a time."""
    measured: int
    """Largest number of images that were measured at a time."""
    is_accumulating: bool
    """True if a step takes its batch in parts, between which gradients stay."""
    is_compiled: bool
    """True if the run would be compiled, which is not measured."""
    is_bf16: bool
    """True if bf16 stood in for fp16, which takes as much memory but which few CPUs compute."""
    is_first: bool
    """True if this is the process that reports for all."""

    @property
    def hours(self) -> float | None:
        """Return the hours of the whole recipe, without validation."""
        return None if self.steps is None else self.steps * self.seconds / 3600

    @property
    def memory(self) -> float:
        """Return the most memory that a process will hold, in GB."""
        return self.memory_with(self.pictures, is_accumulating=self.is_accumulating)

    @property
    def fitting(self) -> int:
        """Return the number of images that one process can take at a time."""
        return max(0, int((_USABLE * self.available - self.static) / max(self.each, 1e-6)))

    def memory_with(self, images: int, *, is_accumulating: bool) -> float:
        """Return the most memory that a process holds, in GB, when it takes this many images at a time."""
        features = self.each * images
        # gradients come as features go, and stay until the last part of a step
        return self.static + (features + self.gradients if is_accumulating else max(features, self.gradients))

    def check(self, config: TrainConfig) -> None:
        """Raise MemoryError, with what helps, when the run needs more memory than there is."""
        usable = _USABLE * self.available
        if self.memory <= usable:
            return
        whole = self.pictures * config.accumulation
        parts = (part for part in range(config.accumulation + 1, whole + 1) if whole % part == 0)
        fitting = (p for p in parts if self.memory_with(whole // p, is_accumulating=True) <= usable)
        reason = f"about {self.memory:.0f} GB are needed in each process, {self.available:.0f} GB are there"
        raise out_of_memory(config, next(fitting, None), reason=reason)

    def __str__(self) -> str:
        """Return the estimate as text for people."""
        if self.hours is None:
            length = "how many steps there are follows from the data: name it with --data"
        else:
            length = f"{self.steps:,} steps take about {self.hours:.1f} hours, validation apart"
        how = "measured" if self.measured == self.pictures else f"from {self.measured} at a time"
        notes = ", without --compile, which is faster" if self.is_compiled else ""
        notes += ", in bf16: a CPU is far slower in fp16, pass --precision bf16" if self.is_bf16 else ""
        return (
            f"{self.seconds:.2f} s a step ({how}{notes}); {length}\n"
            f"{self.memory:.1f} GB of {self.available:.1f} GB with {self.pictures} images at a time in "
            f"each process; about {self.fitting} fit"
        )


def dry_run(config: TrainConfig, sources: Sequence[str]) -> Estimate:
    """Measure passes over few images with fresh weights; nothing is written, no weights are needed.

    Args:
        config: all of the run but its data.
        sources: data sets, or scenes; without any, random images stand in for them.

    Raises:
        InputError: the data cannot be read, or a batch does not divide evenly over the processes.
        MemoryError: one image alone is too much; with advice.
    """
    here, machines = world_of(config)
    part = config.sampling.pictures // (here * machines * config.accumulation)
    is_first = int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) == 0
    setup = open_setup(sources, config, _tokenizer(config)) if sources else None
    is_cpu = config.device == "cpu" or not torch.cuda.is_available()
    is_bf16 = is_cpu and config.precision == "fp16"
    plain = replace(
        config,
        processes=1,
        accumulation=1,
        ema_decay=0.0,
        compile=False,
        precision="bf16" if is_bf16 else config.precision,
    )
    fabric = launch(plain)
    model = build_cris(config.model)
    gigabytes = sum(parameter.nbytes for parameter in model.parameters()) / 1e9
    with _threads(here if is_cpu else 1):
        trainer = Trainer(replace(plain, steps=1), model, fabric)
        learning = [each for each in trainer.model.parameters() if each.requires_grad]
        gradients = sum(parameter.nbytes for parameter in learning) / 1e9
        for parameter in learning:  # there in every pass, so that only features differ
            parameter.grad = torch.ones_like(parameter)
        available = _device_memory(fabric.device) / (here if is_cpu else 1)
        limit = min(_CPU_GB, 0.5 * available) if is_cpu else _USABLE * available
        found = _measure(config, setup, trainer, part, limit)
    averaged = gigabytes if config.ema_decay else 0.0
    return Estimate(
        steps=_steps(config, setup),
        seconds=config.accumulation * found.seconds(part),
        # of the optimiser's two moments, and the averaged weights, none was there
        static=found.static - gradients + 2 * gradients + averaged,
        each=found.each,
        gradients=gradients,
        available=available,
        pictures=part,
        measured=found.pictures,
        is_accumulating=config.accumulation > 1,
        is_compiled=config.compile,
        is_bf16=is_bf16,
        is_first=is_first,
    )


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """Measured time and memory of passes over few images."""

    pictures: int
    """Images in the largest pass."""
    static: float
    """Memory without features, in GB."""
    each: float
    """Memory of one image's features, in GB."""
    first_seconds: float
    """Seconds of a pass over one image."""
    last_seconds: float
    """Seconds of the largest pass."""

    def seconds(self, images: int) -> float:
        """Return the seconds of a pass over this many images."""
        if self.pictures == 1:
            return self.first_seconds * images
        slope = max(0.0, self.last_seconds - self.first_seconds) / (self.pictures - 1)
        return self.last_seconds + slope * (images - self.pictures)


def _measure(
    config: TrainConfig, setup: Setup | None, trainer: Trainer, part: int, limit: float
) -> _Measured:
    """Measure one image twice, as the first pass also prepares; then as many as time and memory allow."""
    device = trainer.fabric.device
    batches_of = _batches(config, setup)

    def take(images: int) -> tuple[float, float, float]:
        """Return the seconds of a pass, and the memory before it and at most."""
        batches = batches_of(images)
        next(batches)  # the first one also waits for what is made once a run
        _reset_peak(device)
        before, started = _memory(device), time.monotonic()
        batch = next(batches)
        loaded = time.monotonic()
        trainer.gradients([batch])  # its figures wait for the GPU
        ended = time.monotonic()
        is_waited_for = setup is not None and not config.sampling.workers
        return ended - (started if is_waited_for else loaded), before, peak_memory(device)

    with memory_advice(config):
        _, static, peak = take(1)
        seconds, _, _ = take(1)
        each = max(peak - static, 1e-6)
        by_memory, by_time = int((limit - static) / each), int(_SECONDS / max(seconds, 1e-6))
        most = max(1, min(part, by_memory, by_time))
        if most == 1:
            return _Measured(
                pictures=1, static=static, each=each, first_seconds=seconds, last_seconds=seconds
            )
        passes = [take(most) for _ in range(_PASSES)]
    largest = max(peak for _, _, peak in passes)
    each = max((largest - peak) / (most - 1), 1e-6)
    return _Measured(
        pictures=most,
        static=largest - each * most,
        each=each,
        first_seconds=seconds,
        last_seconds=min(seconds for seconds, _, _ in passes),  # the first ones also prepare
    )


def _batches(config: TrainConfig, setup: Setup | None) -> Callable[[int], Iterator[Batch]]:
    """Return a function that makes batches of a given number of images: of the data, or random ones."""

    def of_data(images: int) -> Iterator[Batch]:
        assert setup is not None
        sampling = replace(config.sampling, pictures=images, workers=0)
        return iter(build_loader(replace(config, sampling=sampling, accumulation=1), setup))

    return of_data if setup is not None else lambda images: repeat(stand_in_batch(config, images))


def stand_in_batch(config: TrainConfig, image_count: int) -> Batch:
    """Return random images with random sentences, of the sizes that the configuration gives them."""
    inference, text = config.inference, config.model.text
    size, count = inference.input_size, image_count * config.sampling.sentences
    words = max(1, round(_WORDS * (inference.sentence_length - 2)))
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(count, inference.sentence_length, dtype=torch.long)
    tokens[:, 0], tokens[:, words + 1] = text.vocabulary - 2, text.vocabulary - 1
    tokens[:, 1 : words + 1] = torch.randint(3, text.vocabulary - 2, (count, words), generator=generator)
    images = torch.randint(0, 256, (image_count, size, size, 3), generator=generator, dtype=torch.uint8)
    cells = size // CELL
    return Batch(
        images=images.permute(0, 3, 1, 2),
        tokens=tokens,
        image_index=torch.arange(image_count).repeat_interleave(config.sampling.sentences),
        masks=torch.randint(0, 2, (count, 1, cells, cells), generator=generator).float(),
        on_image=torch.ones(image_count, cells, cells, dtype=torch.bool),
        samples=torch.arange(count),
    )


def _steps(config: TrainConfig, setup: Setup | None) -> int | None:
    """Return the steps of the whole run; a data set that was not named counts by its published size."""
    if setup is not None:
        return resolved(config, build_stream(config, setup).groups_per_epoch).length
    if config.steps is None and config.epochs is not None:
        data = next((name for name in SPLIT_SIZES if config.recipe.startswith(f"{name}-rn")), None)
        if data is None or config.sampling.rule != "one sentence per object":
            return None
        return resolved(config, SPLIT_SIZES[data]["train"]).length
    return resolved(config, config.sampling.pictures).length


def _tokenizer(config: TrainConfig) -> Tokenizer:
    """Return the initial model's tokenizer where its folder is here, else the configuration's."""
    own = None
    if config.start and not names_clip(config.start) and not config.start.startswith("hf:"):
        folder = resolve(config.start)
        own = Tokenizer.load(folder / "tokenizer.json") if folder.is_dir() else None
    return choose_tokenizer(config, own)


@contextmanager
def _threads(processes: int) -> Iterator[None]:
    """Leave each of the processes its share of the cores, as the run will."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // processes))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        reset_peak()


def _memory(device: torch.device) -> float:
    """Return the memory that is held now, in GB."""
    return (torch.cuda.memory_allocated(device) if device.type == "cuda" else resident_bytes()) / 1e9


def _device_memory(device: torch.device) -> float:
    """Return the device's memory in GB; on the CPU, its control group's limit where that is less."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory / 1e9
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            whole = min(whole, int(Path(file).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return whole / 1e9
