"""Text-to-pixel contrastive loss (CRIS, section 3.3)."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def text_to_pixel_loss(
    logits: Float[Tensor, "batch 1 h4 w4"],
    mask: Float[Tensor, "batch 1 height width"],
    target: Literal["nearest", "area"] = "nearest",
) -> Float[Tensor, ""]:
    """Binary cross-entropy between each cell's score and the mask, averaged over all cells.

    Args:
        logits: the products of sentence and pixels.
        mask: 1 where the sentence means the pixel, 0 elsewhere; at any size.
        target: how the mask comes to the grid of the logits: "nearest" takes one pixel of each cell (as released),
            "area" the share of the cell that is covered.
    """
    return F.binary_cross_entropy_with_logits(logits, grid_target(mask, logits.shape[-2:], target))


def grid_target(
    mask: Float[Tensor, "batch 1 height width"], size: tuple[int, ...], target: Literal["nearest", "area"]
) -> Float[Tensor, "batch 1 h4 w4"]:
    """Brings masks to the grid of the logits."""
    if target not in ("nearest", "area"):
        raise ValueError(f'target must be "nearest" or "area", got {target!r}')
    return F.interpolate(mask, size, mode=target)
