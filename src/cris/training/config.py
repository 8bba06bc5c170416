"""What a training run is made of: one frozen configuration decides all of it."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from cris.model.config import CrisConfig, InferenceConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole training run."""

    recipe: str
    """Name of the recipe that this is."""
    data: str = "scenes"
    """What the run learns from: scenes, or the fingerprint of a stored data set."""
    model: CrisConfig
    """Sizes of the model."""
    inference: InferenceConfig
    """Input size, sentence length and threshold; training uses the same."""
    max_steps: int = 5600
    """Optimiser steps."""
    pictures: int = 12
    """Pictures per step, over all processes."""
    sentences: int = 8
    """Sentences per picture, which share one encoding of it."""
    learning_rate: float = 1e-3
    """Highest learning rate of AdamW."""
    weight_decay: float = 0.02
    """Decay of weights with two or more dimensions; biases and norms have none."""
    warmup_steps: int = 200
    """Steps over which the learning rate rises from 0."""
    decay_share: float = 0.55
    """Share of the steps, at the end, over which the learning rate falls to 0 along a cosine."""
    dice_weight: float = 1.0
    """Weight of the Dice loss beside the text-to-pixel contrastive loss."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient; larger ones are scaled down to it."""
    ema_decay: float = 0.998
    """Memory of the moving average of the weights, which is what gets evaluated and released."""
    seed: int = 0
    """Seed of weights and data."""
    processes: int = 1
    """Processes on this machine; on a CPU one for each core beats one with a thread for each core."""
    device: Literal["cpu", "cuda", "auto"] = "auto"
    """Where to train."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    validation_samples: int = 400
    """Samples of the validation split looked at with every checkpoint."""
    log_every: int = 10
    """Steps between lines of metrics."""


FREE_TO_CHANGE = {"max_steps", "device", "checkpoint_every", "validation_samples", "log_every"}
"""Fields that may be others when a run goes on: longer, elsewhere, or told of at other times."""


def fingerprint(config: TrainConfig) -> str:
    """What a run must still be for its checkpoint to be continued, as JSON."""
    fields = {name: value for name, value in asdict(config).items() if name not in FREE_TO_CHANGE}
    return json.dumps(fields, sort_keys=True)
