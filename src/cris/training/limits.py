"""Limits of the numbers in a run's configuration, checked before anything is built."""

import math
from collections.abc import Callable

from cris.errors import UsageError
from cris.training.config import TrainConfig, flat

LIMITS: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    (
        "at least 1",
        lambda value: value >= 1,
        (
            *("steps", "max_steps", "accumulation", "processes", "checkpoint_every", "log_every"),
            *("sampling.pictures", "sampling.sentences", "objectives.masked_patch"),
            *("validation.every", "validation.samples", "inference.sentence_length"),
        ),
    ),
    (
        "0 or more",
        lambda value: 0 <= value < math.inf,
        (
            *("seed", "keep", "skip_losses", "sampling.workers", "schedule.warmup_steps"),
            *("objectives.dice_weight", "objectives.peak_weight", "objectives.consistency_weight"),
            *("optimizer.backbone_factor", "optimizer.weight_decay", "optimizer.gradient_clip"),
            *("objectives.presence_weight", "inference.guided_radius"),
            *("optimizer.frozen_image_blocks", "schedule.milestone_factor"),
        ),
    ),
    ("above 0", lambda value: 0 < value < math.inf, ("epochs", "optimizer.learning_rate")),
    (
        "a share from 0 to 1",
        lambda value: 0 <= value <= 1,
        (
            *("sampling.flip_probability", "sampling.colour_jitter", "inference.threshold"),
            *("sampling.no_target_share", "sampling.several_targets_share"),
            *("sampling.collage_share", "sampling.repeat_threshold"),
            *("inference.peak_threshold", "inference.presence_threshold", "inference.relative_threshold"),
            *("objectives.masked_regions", "objectives.masked_words", "optimizer.full_backbone_share"),
            *("schedule.decay_share", "schedule.milestones"),
        ),
    ),
    (
        "a share above 0 and at most 1",
        lambda value: 0 < value <= 1,
        ("sampling.smallest_crop", "optimizer.layer_decay"),
    ),
    (
        "a share from 0 to below 1",
        lambda value: 0 <= value < 1,
        ("ema_decay", "optimizer.betas", "schedule.begin_share"),
    ),
    ("a multiple of 32", lambda value: value > 0 and value % 32 == 0, ("inference.input_size",)),
)
"""Limits of numbers: wording, check and fields. None, where it is allowed, always passes."""


def check_limits(config: TrainConfig) -> None:
    """Raise UsageError that names the first option whose number is out of its limits."""
    values = flat(config)
    for expected, is_right, names in LIMITS:
        for name in names:
            value = values[name]
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(number is None or is_right(number) for number in numbers):
                raise UsageError(f"--{name.replace('_', '-')} must be {expected}, got {_told(value)}")


def _told(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
