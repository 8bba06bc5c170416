"""Losses against slow formulas."""

import math
from dataclasses import replace

import pytest
import torch

from cris.data.loading.loader import Batch
from cris.model.output import ModelOutput
from cris.training.config import ObjectivesConfig
from cris.training.loss import (
    Objective,
    consistency_loss,
    dice_loss,
    peak_loss,
    presence_loss,
    text_to_pixel_loss,
)


def cells_of(mask, target):
    """The mask on a grid of cells of 4 by 4 pixels."""
    rows, columns = mask.shape[0] // 4, mask.shape[1] // 4
    if target == "nearest":
        return [[float(mask[4 * r, 4 * c]) for c in range(columns)] for r in range(rows)]
    return [
        [float(mask[4 * r : 4 * r + 4, 4 * c : 4 * c + 4].mean()) for c in range(columns)]
        for r in range(rows)
    ]


def cross_entropy(logits, cells, counted):
    """Of each sample the mean negative log-likelihood of its counted cells; then their mean."""
    means = []
    for scores, truth, counts in zip(logits.tolist(), cells, counted.tolist(), strict=True):
        losses = []
        for score_row, truth_row, count_row in zip(scores, truth, counts, strict=True):
            for score, cell, is_counted in zip(score_row, truth_row, count_row, strict=True):
                probability = 1 / (1 + math.exp(-score))
                loss = -cell * math.log(probability) - (1 - cell) * math.log(1 - probability)
                losses += [loss] if is_counted else []
        means.append(sum(losses) / len(losses))
    return sum(means) / len(means)


EVERYWHERE = torch.ones(2, 3, 5, dtype=torch.bool)
ON_IMAGE = torch.tensor([[[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], [[0, 1, 1, 0, 0]] * 3]).bool()


@pytest.fixture
def sample():
    torch.manual_seed(0)
    return 3 * torch.randn(2, 1, 3, 5), (torch.rand(2, 1, 12, 20) > 0.7).float()


@pytest.mark.parametrize("target", ["nearest", "area"])
@pytest.mark.parametrize("counted", [None, ON_IMAGE], ids=["everywhere", "on the image"])
def test_contrastive_loss_is_the_mean_negative_log_likelihood_of_the_counted_cells(sample, target, counted):
    logits, mask = sample
    cells = [cells_of(truth, target) for truth in mask[:, 0]]
    expected = cross_entropy(logits[:, 0], cells, EVERYWHERE if counted is None else counted)
    found = text_to_pixel_loss(logits, mask, target, None if counted is None else counted[:, None])
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("target", ["nearest", "area"])
@pytest.mark.parametrize("counted", [None, ON_IMAGE], ids=["everywhere", "on the image"])
def test_dice_loss_counts_each_sample_alike(sample, target, counted):
    logits, mask = sample
    losses = []
    places = EVERYWHERE if counted is None else counted
    for scores, truth, place in zip(logits[:, 0], mask[:, 0], places, strict=True):
        probability, cells = scores.sigmoid()[place], torch.tensor(cells_of(truth, target))[place]
        losses.append(1 - (2 * (probability * cells).sum() + 1) / (probability.sum() + cells.sum() + 1))
    found = dice_loss(logits, mask, target, None if counted is None else counted[:, None])
    assert float(found) == pytest.approx(float(sum(losses) / 2), rel=1e-5)


@pytest.mark.parametrize("counted", [EVERYWHERE, ON_IMAGE], ids=["everywhere", "on the image"])
def test_consistency_is_the_cross_entropy_with_the_whole_views_answer(sample, counted):
    logits, _ = sample
    masked = torch.randn(2, 1, 3, 5)
    expected = cross_entropy(masked[:, 0], logits.sigmoid()[:, 0].tolist(), counted)
    assert float(consistency_loss(masked, logits, counted[:, None])) == pytest.approx(expected, rel=1e-5)


def test_the_whole_view_teaches_and_does_not_learn(sample):
    logits = sample[0].requires_grad_()
    masked = torch.randn(2, 1, 3, 5, requires_grad=True)
    consistency_loss(masked, logits).backward()
    assert logits.grad is None
    torch.testing.assert_close(masked.grad, (masked.sigmoid() - logits.sigmoid()) / 30)


def test_the_loss_of_a_batch_is_the_mean_over_its_samples_whatever_each_counts(sample):
    logits, mask = sample
    counted = ON_IMAGE[:, None]
    for loss in (text_to_pixel_loss, dice_loss):
        whole = loss(logits, mask, "area", counted)
        parts = [loss(logits[i : i + 1], mask[i : i + 1], "area", counted[i : i + 1]) for i in range(2)]
        torch.testing.assert_close(whole, sum(parts) / 2)


CONFIG = ObjectivesConfig(target="area", padding="ignored", dice_weight=0.5, consistency_weight=2.0)


UPPER_OR_LEFT = torch.zeros(2, 4, 4, dtype=torch.bool)
UPPER_OR_LEFT[0, :2] = UPPER_OR_LEFT[1, :, :1] = True


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return Batch(
        images=torch.zeros(2, 3, 16, 16, dtype=torch.uint8),
        tokens=torch.zeros(3, 5, dtype=torch.long),
        image_index=torch.tensor([0, 1, 1]),
        masks=(torch.rand(3, 1, 4, 4) > 0.5).float(),
        on_image=UPPER_OR_LEFT,
        samples=torch.arange(3),
    )


def test_terms_are_weighted_and_count_the_cells_of_each_sentences_own_image(batch):
    logits = torch.randn(3, 1, 4, 4)
    counted = UPPER_OR_LEFT[[0, 1, 1]][:, None]
    terms = Objective(CONFIG)(ModelOutput(logits), batch)
    assert terms == {
        "contrastive": text_to_pixel_loss(logits, batch.masks, "area", counted),
        "dice": 0.5 * dice_loss(logits, batch.masks, "area", counted),
    }
    masked = torch.randn(3, 1, 4, 4)
    extra = Objective(CONFIG).consistency(masked, logits, batch)
    assert extra == {"consistency": 2 * consistency_loss(masked, logits, counted)}


def test_padding_counts_where_asked_and_a_weight_of_nothing_leaves_a_term_out(batch):
    logits = torch.randn(3, 1, 4, 4)
    released = replace(CONFIG, target="nearest", padding="counted", dice_weight=0.0)
    terms = Objective(released)(ModelOutput(logits), batch)
    assert terms == {"contrastive": text_to_pixel_loss(logits, batch.masks)}


@pytest.mark.parametrize("padding", ["counted", "ignored"])
def test_sentences_that_mean_nothing_can_be_left_to_the_presence_head(batch, padding):
    masks = batch.masks.clone()
    masks[1] = 0
    config = replace(CONFIG, padding=padding, presence_weight=0.5, peak_weight=0.2)
    output = ModelOutput(torch.randn(3, 1, 4, 4, requires_grad=True), torch.randn(3))
    batch = replace(batch, masks=masks)
    all_ = Objective(config)(output, batch)
    found = Objective(replace(config, no_target="ignored"))(output, batch)
    counted = None if padding == "counted" else UPPER_OR_LEFT[[0, 1, 1]][:, None]
    for name, loss in (("contrastive", text_to_pixel_loss), ("dice", dice_loss)):
        weight = 0.5 if name == "dice" else 1.0
        each = [
            loss(output.logits[[i]], masks[[i]], "area", None if counted is None else counted[[i]])
            for i in (0, 2)
        ]
        torch.testing.assert_close(found[name], weight * sum(each) / 3)
    assert {name: found[name] for name in ("peak", "presence")} == {
        name: all_[name] for name in ("peak", "presence")
    }
    (gradient,) = torch.autograd.grad(found["contrastive"] + found["dice"], output.logits)
    assert not gradient[1].any()
    assert gradient[0].any()


def test_the_peak_is_the_mean_of_the_highest_cells_on_the_image(batch):
    logits = torch.randn(3, 1, 4, 4)
    counted = UPPER_OR_LEFT[[0, 1, 1]][:, None]
    masks = batch.masks.clone()
    masks[1] = 0
    expected = []
    for scores, cells, mask in zip(logits, counted, masks, strict=True):
        peak = scores[cells].sort(descending=True).values[:16].mean()
        chance = peak.sigmoid()
        expected.append(-chance.log() if mask.any() else -(1 - chance).log())
    assert peak_loss(logits, masks, counted).item() == pytest.approx(torch.stack(expected).mean().item())


def test_few_false_cells_cost_what_is_absent_by_their_peak_alone():
    nothing, logits = torch.zeros(1, 1, 96, 96), torch.full((1, 1, 96, 96), -8.0)
    logits[..., :4, :4] = 6.0
    assert text_to_pixel_loss(logits, nothing) < 0.02
    assert peak_loss(logits, nothing) > 5


def test_presence_is_judged_by_whether_the_mask_has_a_pixel(batch):
    masks = batch.masks.clone()
    masks[1] = 0
    scores = torch.tensor([2.0, 1.0, -3.0])
    right = torch.tensor([2.0, -1.0, -3.0]).sigmoid()  # probability given to what is so
    assert presence_loss(scores, masks).item() == pytest.approx(-right.log().mean().item())
    terms = Objective(replace(CONFIG, presence_weight=0.5, peak_weight=0.2))(
        ModelOutput(torch.randn(3, 1, 4, 4), scores), replace(batch, masks=masks)
    )
    assert terms["presence"].item() == pytest.approx(0.5 * presence_loss(scores, masks).item())
    assert set(terms) == {"contrastive", "dice", "peak", "presence"}
