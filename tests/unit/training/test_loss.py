"""Losses against slow formulas."""

import math

import pytest
import torch

from cris.training.loss import dice_loss, text_to_pixel_loss


def cells_of(mask, target):
    """The mask on a grid of cells of 4 by 4 pixels."""
    rows, columns = mask.shape[0] // 4, mask.shape[1] // 4
    if target == "nearest":
        return [[float(mask[4 * r, 4 * c]) for c in range(columns)] for r in range(rows)]
    return [
        [float(mask[4 * r : 4 * r + 4, 4 * c : 4 * c + 4].mean()) for c in range(columns)]
        for r in range(rows)
    ]


@pytest.fixture
def sample():
    torch.manual_seed(0)
    return 3 * torch.randn(2, 1, 3, 5), (torch.rand(2, 1, 12, 20) > 0.7).float()


@pytest.mark.parametrize("target", ["nearest", "area"])
def test_contrastive_loss_is_the_mean_negative_log_likelihood_of_all_cells(sample, target):
    logits, mask = sample
    total = 0.0
    for scores, truth in zip(logits[:, 0], mask[:, 0], strict=True):
        for score_row, cell_row in zip(scores.tolist(), cells_of(truth, target), strict=True):
            for score, cell in zip(score_row, cell_row, strict=True):
                probability = 1 / (1 + math.exp(-score))
                total -= cell * math.log(probability) + (1 - cell) * math.log(1 - probability)
    assert float(text_to_pixel_loss(logits, mask, target)) == pytest.approx(total / 30, rel=1e-5)


@pytest.mark.parametrize("target", ["nearest", "area"])
def test_dice_loss_counts_each_sample_alike(sample, target):
    logits, mask = sample
    losses = []
    for scores, truth in zip(logits[:, 0], mask[:, 0], strict=True):
        probability, cells = scores.sigmoid(), torch.tensor(cells_of(truth, target))
        losses.append(1 - (2 * (probability * cells).sum() + 1) / (probability.sum() + cells.sum() + 1))
    assert float(dice_loss(logits, mask, target)) == pytest.approx(float(sum(losses) / 2), rel=1e-5)
