"""Activation checkpointing: features are computed again in the backward pass instead of being kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from cris.model.cris import Cris
from cris.training.norms import norms


def checkpoint_activations(model: Cris) -> None:
    """Make the model's blocks keep only their inputs; gradients and running statistics stay the same."""
    for part in _blocks(model):
        part.forward = partial(
            checkpoint, part.forward, use_reentrant=False, context_fn=partial(_passes, part)
        )


def _blocks(model: Cris) -> Iterator[nn.Module]:
    yield from model.image_encoder.blocks
    yield from model.text_encoder.blocks
    if model.decoder is not None:
        yield from model.decoder.layers
    yield from (model.projector.first, model.projector.second)


def _passes(part: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts around the first pass and the second."""
    return nullcontext(), _statistics_kept(part)


@contextmanager
def _statistics_kept(part: nn.Module) -> Iterator[None]:
    """Keep the running statistics in the second pass, so that the same batch does not count twice."""
    inside = norms(part)
    before = [(norm.momentum, int(norm.num_batches_tracked or 0)) for norm in inside]
    for norm in inside:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(inside, before, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.fill_(count)
