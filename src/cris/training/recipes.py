"""Named recipes: each a function returning one complete configuration."""

from collections.abc import Callable

from cris.checkpoint import Checkpoint
from cris.model.config import (
    CrisConfig,
    DecoderConfig,
    ImageEncoderConfig,
    InferenceConfig,
    NeckConfig,
    ProjectorConfig,
    TextEncoderConfig,
)
from cris.training.config import TrainConfig


def cris_scenes() -> TrainConfig:
    """The embedded model: a small CRIS trained from scratch on rendered scenes."""
    model = CrisConfig(
        joint_dim=128,
        image=ImageEncoderConfig(layers=(1, 1, 2, 1), stem=(32, 32, 32), width=16, position_grid=6),
        text=TextEncoderConfig(vocabulary=0, context_length=77, width=128, layers=3),
        neck=NeckConfig(fine=48, middle=64, coarse=128),
        decoder=DecoderConfig(layers=2, ffn=256, dropout=0.0),
        projector=ProjectorConfig(hidden=32, dim=24),
    )
    inference = InferenceConfig(input_size=192, sentence_length=32, threshold=0.5)
    return TrainConfig(recipe="cris-scenes", model=model, inference=inference)


def finetune(start: Checkpoint) -> TrainConfig:
    """Goes on with a trained model on data of your own; its sizes, tokens and input stay."""
    return TrainConfig(
        recipe="finetune",
        model=start.model.config,
        inference=start.inference,
        max_steps=1000,
        pictures=8,
        sentences=4,
        learning_rate=3e-4,
        warmup_steps=50,
        ema_decay=0.99,
        checkpoint_every=100,
    )


FROM_SCRATCH: dict[str, Callable[[], TrainConfig]] = {"cris-scenes": cris_scenes}
"""Recipes that need no model to begin with, by name."""
