"""What to change when memory does not suffice."""

from dataclasses import replace

import pytest

from cris.training.memory import memory_advice
from cris.training.recipes import cris_scenes

CONFIG = cris_scenes()


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory"), RuntimeError("can't allocate memory: you")]
)
def test_running_out_of_memory_says_what_helps_this_run(error: Exception) -> None:
    with pytest.raises(MemoryError) as told, memory_advice(CONFIG):
        raise error
    assert "with 12 × 8 sentences a step, taken in 1 parts" in str(told.value)
    assert "--accumulation 2" in str(told.value)
    assert "--gradient-checkpointing" in str(told.value)
    assert "--precision bf16" in str(told.value)


def test_what_is_done_already_is_not_advised() -> None:
    config = replace(CONFIG, gradient_checkpointing=True, precision="bf16", accumulation=8)
    with pytest.raises(MemoryError) as told, memory_advice(config):
        raise MemoryError
    assert str(told.value).endswith("try fewer --sampling.pictures")


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_advice(CONFIG):
        raise RuntimeError("shapes do not match")
