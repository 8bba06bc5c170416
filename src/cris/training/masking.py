"""Masking of images and sentences, as in MaskRIS (2024), so that a model leans on no single cue."""

from dataclasses import replace
from math import ceil

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from cris.data.loading.loader import Batch
from cris.letterbox import MEAN_RGB
from cris.training.config import ObjectivesConfig

HIDDEN_COLOUR = tuple(round(255 * mean) for mean in MEAN_RGB)
"""Colour of hidden patches, that of the letterbox's padding: next to 0 once normalised."""


def mask_batch(batch: Batch, config: ObjectivesConfig, hidden_word: int, generator: torch.Generator) -> Batch:
    """Return the batch with some of each image's patches and some of each sentence's words hidden.

    Args:
        batch: stays as it is; the answer shares with it what does not change.
        config: `masked_regions`, `masked_patch` and `masked_words`.
        hidden_word: id that hidden words get.
        generator: on the CPU, so that every device gets the same masks.
    """
    images, tokens = batch.images, batch.tokens
    if config.masked_regions:
        count, _, height, width = images.shape
        grid = ceil(height / config.masked_patch), ceil(width / config.masked_patch)
        hidden = hidden_patches(count, grid, config.masked_regions, generator)
        images = hide_patches(images, hidden.to(images.device), config.masked_patch)
    if config.masked_words:
        drawn = torch.rand(tokens.shape, generator=generator).to(tokens.device)
        tokens = hide_words(tokens, drawn < config.masked_words, hidden_word)
    return replace(batch, images=images, tokens=tokens)


def hidden_patches(
    images: int, grid: tuple[int, int], share: float, generator: torch.Generator
) -> Bool[Tensor, "images rows columns"]:
    """Return which patches to hide: of each image the same number, `share` of all, rounded down."""
    rows, columns = grid
    patches = rows * columns
    ranks = torch.rand(images, patches, generator=generator).argsort(dim=1).argsort(dim=1)
    return (ranks < int(share * patches)).reshape(images, rows, columns)


def hide_patches(
    images: UInt8[Tensor, "images 3 height width"],
    hidden: Bool[Tensor, "images rows columns"],
    patch: int,
) -> UInt8[Tensor, "images 3 height width"]:
    """Return the images with these squares of `patch` pixels in the mean colour; the last may be cut."""
    height, width = images.shape[-2:]
    pixels = hidden.repeat_interleave(patch, dim=1)[:, :height].repeat_interleave(patch, dim=2)[:, :, :width]
    colour = torch.tensor(HIDDEN_COLOUR, dtype=torch.uint8, device=images.device)[:, None, None]
    return torch.where(pixels[:, None], colour, images)


def hide_words(
    tokens: Int[Tensor, "sentences tokens"], chosen: Bool[Tensor, "sentences tokens"], hidden_word: int
) -> Int[Tensor, "sentences tokens"]:
    """Return the sentences with the chosen words hidden: never start, end (the largest id) or what follows.

    A sentence of which no word would be left stays whole: there would be nothing to be consistent with.
    """
    places = torch.arange(tokens.shape[1], device=tokens.device)
    is_word = (places > 0) & (places < tokens.argmax(dim=1, keepdim=True))
    hidden = chosen & is_word
    keeps_some = (hidden.sum(dim=1) < is_word.sum(dim=1))[:, None]
    return torch.where(hidden & keeps_some, hidden_word, tokens)
