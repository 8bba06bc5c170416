"""Who started the processes, and what is drawn in a step."""

from dataclasses import replace

import pytest
import torch

from cris.training.processes import _started_outside, launch, precision_of, seed_step
from cris.training.recipes import cris_scenes

CONFIG = cris_scenes()


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}, (2, 3)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "8", "SLURM_NNODES": "2"}, (4, 2)),
        (
            {
                "SLURM_PROCID": "0",
                "SLURM_NTASKS": "8",
                "SLURM_NTASKS_PER_NODE": "4",
                "SLURM_NNODES": "2",
            },
            (4, 2),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, None),
    ],
    ids=["nobody", "torchrun", "srun by tasks", "srun by tasks a node", "a shell on SLURM"],
)
def test_processes_started_by_others_are_counted(monkeypatch, environment, found) -> None:
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _started_outside() == found


def test_a_batch_must_divide_over_processes_and_parts() -> None:
    with pytest.raises(ValueError, match="must divide by 5 processes × 1 parts, got 12"):
        launch(replace(CONFIG, processes=5))


def drawn(step: int, process: int, seed: int = 0) -> list[float]:
    generator = seed_step(replace(CONFIG, seed=seed), step, process)
    return [float(torch.rand(())), float(torch.rand((), generator=generator))]


def test_what_is_drawn_in_a_step_depends_on_seed_step_and_process_alone() -> None:
    state = torch.get_rng_state()
    torch.rand(100)
    first = drawn(7, 0)
    torch.rand(3)
    assert drawn(7, 0) == first
    others = [first, drawn(8, 0), drawn(7, 1), drawn(7, 0, seed=1)]
    torch.set_rng_state(state)
    assert len({number for pair in others for number in pair}) == 8


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp64", torch.float64)]
)
def test_a_precision_computes_in_its_numbers(name: str, dtype: torch.dtype) -> None:
    precision = precision_of(name, "cpu")
    layer = precision.convert_module(torch.nn.Linear(3, 3))
    with precision.forward_context():
        assert layer(precision.convert_input(torch.ones(1, 3))).dtype == dtype
