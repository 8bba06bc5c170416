"""Advice for runs that do not fit into memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from cris.training.config import TrainConfig


@contextmanager
def memory_advice(config: TrainConfig) -> Iterator[None]:
    """Turn every library's out-of-memory error into a MemoryError that says what helps."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = str(error).lower()
        if not isinstance(error, MemoryError) and "out of memory" not in words and "allocate" not in words:
            raise
        parts = 2 * config.accumulation
        raise out_of_memory(config, parts if config.sampling.pictures % parts == 0 else None) from error


def out_of_memory(config: TrainConfig, parts: int | None, *, reason: str = "out of memory") -> MemoryError:
    """Return a MemoryError that says what helps; `parts` is the accumulation to suggest for a step."""
    sampling = config.sampling
    ways = [] if parts is None else [f"--accumulation {parts} (the same result in smaller parts)"]
    if not (config.gradient_checkpointing or config.compile):
        ways.append("--gradient-checkpointing (the same result, slower)")
    if config.precision == "fp32":
        ways.append("--precision bf16")
    ways.append("fewer --sampling.pictures")
    return MemoryError(
        f"{reason} with {sampling.pictures} × {sampling.sentences} sentences a step, taken in "
        f"{config.accumulation} parts by each process: try {', or '.join(ways)}"
    )
