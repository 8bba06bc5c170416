"""Training losses: contrastive (CRIS, section 3.3), Dice, peak, and consistency under masking."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from cris.data.loading.loader import Batch
from cris.data.loading.resample import Target
from cris.errors import UsageError
from cris.model.output import ModelOutput
from cris.training.config import ObjectivesConfig

PEAK_CELLS = 16
"""Highest cells whose mean score is the peak of a mask: as many as a thing of 16 by 16 pixels covers."""


TERMS = ("contrastive", "dice", "peak", "presence", "consistency")
"""Names of the terms that a configuration weighs."""
Loss = Callable[[Tensor, Batch], Tensor]
"""Additional term of the loss: from logits (sentences, 1, h4, w4) and their batch to a weighted scalar."""


def text_to_pixel_loss(
    logits: Float[Tensor, "batch 1 h4 w4"],
    mask: Float[Tensor, "batch 1 height width"],
    target: Target = "nearest",
    counted: Bool[Tensor, "batch 1 h4 w4"] | None = None,
) -> Float[Tensor, ""]:
    """Return the binary cross-entropy between cells' scores and mask, averaged over cells, then samples.

    Args:
        logits: the products of sentence and pixels.
        mask: 1 where the sentence means the pixel, 0 elsewhere; at any size.
        target: how the mask comes to the grid of the logits: "nearest" takes one pixel of each cell (as
            released), "area" the share of the cell that is covered.
        counted: cells that count, such as those on the image; None: all of them (as released).
    """
    truth = grid_target(mask, logits.shape[-2:], target).to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return mean_over_cells(losses, counted)


def dice_loss(
    logits: Float[Tensor, "batch 1 h4 w4"],
    mask: Float[Tensor, "batch 1 height width"],
    target: Target = "nearest",
    counted: Bool[Tensor, "batch 1 h4 w4"] | None = None,
) -> Float[Tensor, ""]:
    """Return 1 - 2·|A∩B| / (|A|+|B|) of probabilities and mask (V-Net, 2016), averaged over samples."""
    truth = grid_target(mask, logits.shape[-2:], target).to(logits.dtype)
    probability = logits.sigmoid()
    if counted is not None:
        truth, probability = truth * counted, probability * counted
    truth, probability = truth.flatten(1), probability.flatten(1)
    overlap = (probability * truth).sum(dim=1)
    # one cell in both: a sample without a target costs nothing only when nothing is found
    return (1 - (2 * overlap + 1) / (probability.sum(dim=1) + truth.sum(dim=1) + 1)).mean()


def peak_loss(
    logits: Float[Tensor, "batch 1 h4 w4"],
    mask: Float[Tensor, "batch 1 height width"],
    counted: Bool[Tensor, "batch 1 h4 w4"] | None = None,
) -> Float[Tensor, ""]:
    """Return the cross-entropy of each sample's peak against whether its mask has any pixel.

    A few false cells are next to nothing in a mean over all cells, and make a mask of what is absent.
    """
    if counted is not None:
        logits = logits.masked_fill(~counted, -torch.inf)
    cells = logits.flatten(1)
    peaks = cells.topk(min(PEAK_CELLS, cells.shape[1]), dim=1).values
    # an image of fewer cells than that has its peak among those it has
    peak = peaks.nan_to_num(neginf=0.0).sum(dim=1) / peaks.isfinite().sum(dim=1)
    return presence_loss(peak, mask)


def presence_loss(
    presence: Float[Tensor, "batch"], mask: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, ""]:
    """Return the cross-entropy of the scores of presence against whether each mask has any pixel."""
    return F.binary_cross_entropy_with_logits(presence, mask.flatten(1).amax(dim=1).to(presence.dtype))


def consistency_loss(
    masked_logits: Float[Tensor, "batch 1 h4 w4"],
    logits: Float[Tensor, "batch 1 h4 w4"],
    counted: Bool[Tensor, "batch 1 h4 w4"] | None = None,
) -> Float[Tensor, ""]:
    """Return the cross-entropy of the masked view's scores against the whole view's answer (MaskRIS, 2024).

    The whole view teaches and does not learn: no gradient goes to `logits`.
    """
    answer = logits.detach().sigmoid()
    losses = F.binary_cross_entropy_with_logits(masked_logits, answer, reduction="none")
    return mean_over_cells(losses, counted)


def grid_target(
    mask: Float[Tensor, "batch 1 height width"], size: tuple[int, ...], target: Target
) -> Float[Tensor, "batch 1 h4 w4"]:
    """Reduce masks to the grid of the logits."""
    return mask if mask.shape[-2:] == torch.Size(size) else F.interpolate(mask, size, mode=target)


def mean_over_cells(
    losses: Float[Tensor, "batch 1 h4 w4"], counted: Bool[Tensor, "batch 1 h4 w4"] | None
) -> Float[Tensor, ""]:
    """Return the mean over each sample's counted cells, 0 where it has none, then over samples.

    A mean over all cells of the batch would weigh a sample by what else is in its batch, and processes that
    share a batch would then average to something else than one process.
    """
    if counted is None:
        return losses.mean()
    return ((losses * counted).sum(dim=(1, 2, 3)) / counted.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


def loss_names(losses: Sequence[Loss]) -> tuple[str, ...]:
    """Return the names of additional terms, by which metrics and a resumed run know them.

    Raises:
        UsageError: a term has no name of its own, or that of another one.
    """
    names = tuple(str(getattr(loss, "__name__", "")) for loss in losses)
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"a loss must be a function with a name, got {name or losses!r}")
        if name in ("loss", *TERMS) or names.count(name) > 1:
            raise UsageError(f"each loss needs a name of its own, and {name} is taken: rename the function")
    return names


class Objective:
    """Loss of a run, as named terms that add up to it."""

    def __init__(self, config: ObjectivesConfig, losses: Sequence[Loss] = ()) -> None:
        """Take additional terms beside those of the configuration; each is named as its function is."""
        self.config = config
        self.losses = dict(zip(loss_names(losses), losses, strict=True))

    def __call__(self, output: ModelOutput, batch: Batch) -> dict[str, Tensor]:
        """Return the terms against the true masks: `contrastive`, those that have a weight, and others.

        Raises:
            UsageError: an additional term is no scalar.
        """
        config, counted, logits = self.config, self._counted(batch), output.logits
        judged = self._judged(batch, counted)
        terms = {"contrastive": text_to_pixel_loss(logits, batch.masks, config.target, judged)}
        if config.dice_weight:
            dice = dice_loss(logits, batch.masks, config.target, judged)
            terms["dice"] = config.dice_weight * dice
        if config.peak_weight:
            terms["peak"] = config.peak_weight * peak_loss(logits, batch.masks, counted)
        if config.presence_weight:
            terms["presence"] = config.presence_weight * presence_loss(output.presence, batch.masks)
        for name, loss in self.losses.items():
            terms[name] = loss(logits, batch)
            if not isinstance(terms[name], Tensor) or terms[name].ndim:
                raise UsageError(f"the loss {name} must return a scalar tensor, got {terms[name]!r}")
        return terms

    def consistency(
        self,
        masked_logits: Float[Tensor, "sentences 1 h4 w4"],
        logits: Float[Tensor, "sentences 1 h4 w4"],
        batch: Batch,
    ) -> dict[str, Tensor]:
        """Return the term `consistency`: answers to `mask_batch`'s view against those to the whole batch."""
        loss = consistency_loss(masked_logits, logits, self._counted(batch))
        return {"consistency": self.config.consistency_weight * loss}

    def _counted(self, batch: Batch) -> Bool[Tensor, "sentences 1 h4 w4"] | None:
        if self.config.padding == "counted":
            return None
        return batch.on_image.index_select(0, batch.image_index)[:, None]

    def _judged(
        self, batch: Batch, counted: Bool[Tensor, "sentences 1 h4 w4"] | None
    ) -> Bool[Tensor, "sentences 1 h4 w4"] | None:
        """Return the cells that masks are judged by: none of no-target sentences where these are ignored."""
        if self.config.no_target == "counted":
            return counted
        has_target = batch.masks.flatten(1).amax(dim=1)[:, None, None, None] > 0
        if counted is None:
            counted = torch.ones_like(batch.on_image).index_select(0, batch.image_index)[:, None]
        return counted & has_target
