"""Models with random weights to measure: speed does not depend on them."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.engines.export_folder import is_exported
from cris.engines.formats import EngineName, Precision
from cris.export import export_model
from cris.model import BACKBONES, CrisConfig, InferenceConfig, build_cris
from cris.model.config import (
    ClipResnetConfig,
    ClipTextConfig,
    DecoderConfig,
    NeckConfig,
    ProjectorConfig,
)
from cris.model.tokenizer import Tokenizer

TINY_CONFIG = CrisConfig(
    joint_dim=64,
    image=ClipResnetConfig(layers=(1, 1, 1, 1), stem=(4, 4, 8), width=8, position_grid=2),
    text=ClipTextConfig(vocabulary=600, context_length=32, width=64, layers=2),
    neck=NeckConfig(fine=32, middle=64, coarse=128),
    decoder=DecoderConfig(layers=2, ffn=128),
    projector=ProjectorConfig(hidden=64, dim=32),
)
TINY = "tiny"
"""A model to try a benchmark with."""
NAMES = (TINY, *BACKBONES)
CALIBRATION = 12
"""Noise images that int8 is calibrated with."""


def random_checkpoint(folder: Path, name: str) -> Path:
    """Return a checkpoint of the paper's sizes at 416×416, or a tiny one at 64×64, made if missing."""
    checkpoint = folder / name
    if not checkpoint.exists():
        tokenizer, config, inference = Tokenizer(), BACKBONES.get(name), InferenceConfig()
        if config is None:
            tokenizer = tokenizer.reduced(["left dog"])
            config = replace(TINY_CONFIG, text=replace(TINY_CONFIG.text, vocabulary=tokenizer.vocab_size))
            inference = InferenceConfig(input_size=64)
        torch.manual_seed(0)
        save_checkpoint(checkpoint, build_cris(config).eval(), tokenizer, inference, "# Random weights\n")
    return checkpoint


def random_model(folder: Path, name: str, engine: EngineName, precision: Precision) -> Path:
    """Return the path that an engine opens: the checkpoint, or its export, made if missing."""
    assert engine in get_args(EngineName)
    checkpoint = random_checkpoint(folder, name)
    if engine == "torch":
        return checkpoint
    out = folder / f"{name}-{engine}-{precision}"
    if not is_exported(out):
        loaded = load_checkpoint(checkpoint)
        size = loaded.inference.input_size
        noise = np.random.default_rng(0).integers(0, 256, (CALIBRATION, size, size, 3), dtype=np.uint8)
        export_model(
            loaded,
            out,
            format=engine,
            precision=precision,
            calibration=[(image, "left dog") for image in noise],
            least_agreement=0.0,  # random weights give masks of noise: nothing is kept in float32 for them
        )
    return out
