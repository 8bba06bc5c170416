"""What to change when memory does not suffice."""

from collections.abc import Iterator
from contextlib import contextmanager

from cris.training.config import TrainConfig


@contextmanager
def memory_advice(config: TrainConfig) -> Iterator[None]:
    """Turns every way to run out of memory into a MemoryError that says what helps."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = str(error).lower()
        if not isinstance(error, MemoryError) and "out of memory" not in words and "allocate" not in words:
            raise
        sampling, parts = config.sampling, 2 * config.accumulation
        ways = []
        if sampling.pictures % parts == 0:
            ways.append(f"--accumulation {parts} (the same result in smaller parts)")
        if not (config.gradient_checkpointing or config.compile):
            ways.append("--gradient-checkpointing (the same result, slower)")
        if config.precision == "fp32":
            ways.append("--precision bf16")
        ways.append("fewer --sampling.pictures")
        raise MemoryError(
            f"out of memory with {sampling.pictures} × {sampling.sentences} sentences a step, taken in "
            f"{config.accumulation} parts by each process: try {', or '.join(ways)}"
        ) from error
