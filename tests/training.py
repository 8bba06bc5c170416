"""A small training run for tests: configuration, batches, trainer."""

from dataclasses import replace

import torch
from lightning_fabric import Fabric

from cris.data.loading.loader import Batch
from cris.model.config import InferenceConfig
from cris.model.cris import Cris
from cris.training.config import ObjectivesConfig, SamplingConfig, TrainConfig
from cris.training.processes import precision_of
from cris.training.trainer import Trainer
from tests.small import SMALL, random_tokens, small_cris

DRY = replace(SMALL, decoder=replace(SMALL.decoder, dropout=0.0))
"""Without dropout, so that a batch in parts draws nothing that the whole one does not."""
CONFIG = TrainConfig(
    recipe="test",
    steps=100,
    model=DRY,
    inference=InferenceConfig(input_size=64, sentence_length=10),
    sampling=SamplingConfig(pictures=4, sentences=2),
    objectives=ObjectivesConfig(dice_weight=1.0),
)


def trainer_of(config: TrainConfig, model: Cris | None = None) -> Trainer:
    """In one process, on the CPU."""
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[precision_of(config.precision, "cpu")])
    return Trainer(config, model or small_cris(config.model), fabric)


def random_batch(counts: list[int], seed: int = 0, size: int = 64) -> Batch:
    """As many images as counts, each with so many sentences; the last eight rows of cells are padding."""
    generator = torch.Generator().manual_seed(seed)
    sentences, cells = sum(counts), size // 4
    images = torch.randint(256, (len(counts), 3, size, size), dtype=torch.uint8, generator=generator)
    on_image = torch.ones(len(counts), cells, cells, dtype=torch.bool)
    on_image[:, -2:] = False
    return Batch(
        images=images.contiguous(memory_format=torch.channels_last),
        tokens=random_tokens([3 + place % 5 for place in range(sentences)], 10, seed=seed),
        image_index=torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)),
        masks=torch.rand(sentences, 1, cells, cells, generator=generator).round(),
        on_image=on_image,
        samples=100 * seed + torch.arange(sentences),
    )


def joined(batches: list[Batch]) -> Batch:
    """One batch of all."""
    firsts = torch.tensor([0, *(len(batch.images) for batch in batches[:-1])]).cumsum(0)
    parts = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in vars(batches[0])}
    index = [batch.image_index + first for batch, first in zip(batches, firsts, strict=True)]
    return Batch(**{**parts, "image_index": torch.cat(index)})
