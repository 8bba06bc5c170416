"""Optimiser, parameter groups and learning rates."""

import math
from typing import Any, Literal

import torch

from cris.errors import InputError
from cris.model.cris import Cris
from cris.training.config import OptimizerConfig, TrainConfig

Part = Literal["backbone", "head"]
"""CLIP's two encoders, and everything after them."""


def parts(model: Cris, config: OptimizerConfig) -> dict[torch.nn.Parameter, Part]:
    """Return the part that each weight learns with."""
    found: dict[torch.nn.Parameter, Part] = dict.fromkeys(model.parameters(), "head")
    for encoder in (model.image_encoder, model.text_encoder):
        found |= dict.fromkeys(encoder.parameters(), "backbone")
    positions = (*model.image_encoder.positions, model.text_encoder.positions)
    return found | dict.fromkeys(positions, config.positions)


def freeze_encoders(model: Cris, config: OptimizerConfig) -> None:
    """Freeze what the configuration does not let learn; raise InputError for parts that the model lacks."""
    if config.parts:
        known = dict(model.named_children())
        if unknown := [name for name in config.parts if name not in known]:
            raise InputError(
                f"--optimizer.parts must be of this model's {', '.join(known)}, got {unknown[0]!r}"
            )
        for name, part in known.items():
            part.requires_grad_(requires_grad=name in config.parts)
    if config.freeze_text:
        model.text_encoder.requires_grad_(requires_grad=False)
    for block in list(model.image_encoder.blocks)[: config.frozen_image_blocks]:
        block.requires_grad_(requires_grad=False)


def layer_factors(model: Cris, config: OptimizerConfig) -> dict[torch.nn.Parameter, float]:
    """Return what layer-wise decay multiplies the learning rate of the image encoder's weights by."""
    blocks = list(model.image_encoder.blocks)
    return {
        parameter: config.layer_decay ** (len(blocks) - 1 - index)
        for index, block in enumerate(blocks)
        for parameter in block.parameters()
    }


def parameter_groups(model: Cris, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Group the weights that learn by part, decay and factor: those with two or more dimensions decay."""
    factors = layer_factors(model, config)
    groups: dict[tuple[Part, float, float], list[torch.nn.Parameter]] = {}
    for parameter, part in parts(model, config).items():
        if not parameter.requires_grad:
            continue
        decay = config.weight_decay if parameter.ndim >= 2 else 0.0
        factor = factors.get(parameter, 1.0) if part == "backbone" else 1.0
        groups.setdefault((part, decay, factor), []).append(parameter)
    return [
        {"params": parameters, "part": part, "weight_decay": decay, "layer_factor": factor}
        for (part, decay, factor), parameters in groups.items()
    ]


def build_optimizer(model: Cris, config: TrainConfig) -> torch.optim.Optimizer:
    """Return Adam, or AdamW with decoupled decay; raise InputError where everything is frozen."""
    groups = parameter_groups(model, config.optimizer)
    if not groups:
        raise InputError(
            "something must learn, got a model that is frozen altogether: leave out --optimizer.parts, "
            "--optimizer.freeze-text, --optimizer.frozen-image-blocks, or give presence a weight"
        )
    kind: Any = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer.name]
    optimizer: torch.optim.Optimizer = kind(
        groups,
        lr=config.optimizer.learning_rate,
        betas=config.optimizer.betas,
        # all in one pass over memory; under fp16 it would unscale by itself, before gradients can be clipped
        fused=config.precision != "fp16",
    )
    return optimizer


def learning_rate(config: TrainConfig, step: int, part: Part) -> float:
    """Return the learning rate of a part at a step, counted from 0."""
    optimizer, schedule = config.optimizer, config.schedule
    share = schedule.begin_share + (1 - schedule.begin_share) * step / config.length
    rate = optimizer.learning_rate * _decayed(config, share)
    if schedule.begin_share == 0 and schedule.warmup_steps:
        rate *= min(1.0, (step + 1) / schedule.warmup_steps)
    if part == "backbone" and share >= optimizer.full_backbone_share:
        rate *= optimizer.backbone_factor
    return rate


def _decayed(config: TrainConfig, share: float) -> float:
    schedule = config.schedule
    if schedule.decay == "milestones":
        passed = sum(share >= milestone for milestone in schedule.milestones)
        return schedule.milestone_factor**passed
    if schedule.decay_share == 0:
        return 1.0
    done = (share - (1 - schedule.decay_share)) / schedule.decay_share
    return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))
