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
        target: how the mask comes to the grid of the logits: "nearest" takes one pixel of each cell (as
            released), "area" the share of the cell that is covered.
    """
    return F.binary_cross_entropy_with_logits(logits, grid_target(mask, logits.shape[-2:], target))


def grid_target(
    mask: Float[Tensor, "batch 1 height width"], size: tuple[int, ...], target: Literal["nearest", "area"]
) -> Float[Tensor, "batch 1 h4 w4"]:
    """Brings masks to the grid of the logits."""
    return F.interpolate(mask, size, mode=target)


def dice_loss(
    logits: Float[Tensor, "batch 1 h4 w4"],
    mask: Float[Tensor, "batch 1 height width"],
    target: Literal["nearest", "area"] = "nearest",
) -> Float[Tensor, ""]:
    """1 - 2·|A∩B| / (|A|+|B|) of probabilities and mask (V-Net, 2016), averaged over samples."""
    truth = grid_target(mask, logits.shape[-2:], target).flatten(1)
    probability = logits.sigmoid().flatten(1)
    overlap = (probability * truth).sum(dim=1)
    # one cell in both: a sample without a target costs nothing only when nothing is found
    return (1 - (2 * overlap + 1) / (probability.sum(dim=1) + truth.sum(dim=1) + 1)).mean()
