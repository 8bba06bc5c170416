import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.straightforward import predict_plainly
from cris.model.blocks import ConvNorm
from cris.model.config import DecoderConfig, ProjectorConfig
from cris.model.fuse import fuse, to_bfloat16
from cris.model.output import ModelOutput
from tests.fixtures.plugin import Proof
from tests.fixtures.small import KINDS, SMALL, SMALL_LITE, random_tokens, small_cris

TOKENS = random_tokens([3, 5, 2], 12)


def difference(one: ModelOutput, other: ModelOutput) -> float:
    """The largest relative difference among all answers that there are."""
    pairs = zip(one.named().values(), other.named().values(), strict=True)
    return max(float((mine.float() - theirs).norm() / theirs.norm()) for mine, theirs in pairs)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        SMALL_LITE,
        dataclasses.replace(SMALL, projector=ProjectorConfig(hidden=64, dim=32, kernel_size=1)),
        dataclasses.replace(SMALL, projector=ProjectorConfig(hidden=64, dim=32, head="classifier")),
        dataclasses.replace(SMALL, decoder=DecoderConfig(layers=0)),
        dataclasses.replace(SMALL, padding="zero_id"),
    ],
    ids=["small", "lite", "dot product", "classifier", "no decoder", "zero id"],
)
@torch.inference_mode()
def test_a_fused_model_answers_as_the_plain_one(config):
    model = small_cris(config)
    images, index = torch.randn(2, 3, 64, 96), torch.tensor([1, 0, 1])
    expected = model(images, TOKENS, index)
    assert difference(fuse(copy.deepcopy(model))(images, TOKENS, index), expected) < 1e-5


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_every_norm_beside_a_convolution_is_fused(config):
    model = small_cris(config)
    blocks = [each for each in model.modules() if isinstance(each, ConvNorm)]
    assert len(blocks) >= 14
    grouped = [each for each in blocks if each.conv.groups > 1]
    assert len(grouped) == (7 if config is SMALL_LITE else 0)
    fuse(model)
    left = [name for name, each in model.named_modules() if isinstance(each, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert left == ["neck.sentence_norm", "neck.coarse_norm"]
    assert all(each.conv.bias is not None for each in blocks)


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
@torch.inference_mode()
def test_a_fused_model_answers_as_the_straightforward_path(config):
    model, images = small_cris(config), torch.randn(3, 3, 64, 64)
    expected = ModelOutput(predict_plainly(model, images, TOKENS))
    found = fuse(copy.deepcopy(model))(images, TOKENS)
    assert difference(found._replace(presence=None), expected) < 1e-5


@torch.inference_mode()
def test_a_paper_sized_model_keeps_its_logits_when_fused(prove: Proof):
    from cris.model import BACKBONES, build_cris

    for name in prove.count(full=1, quick=0) * ["RN50", "RN101"] or ["small"]:
        torch.manual_seed(0)
        model = build_cris(BACKBONES[name]).eval() if name in BACKBONES else small_cris()
        vocabulary = model.config.text.vocabulary
        images, tokens = torch.randn(1, 3, 416, 416), random_tokens([8], 17, vocabulary)
        expected = model(images, tokens)
        found = difference(fuse(model)(images, tokens), expected)
        prove.figure(f"fused {name}: relative difference of logits", f"{found:.1e}")
        assert found < 1e-5


@torch.inference_mode()
def test_folded_statistics_are_those_of_batch_norm():
    model = small_cris()
    block = copy.deepcopy(model.neck.middle)
    expected = block(torch.ones(1, 128, 6, 6))
    folded = fuse(model).neck.middle
    torch.testing.assert_close(
        F.relu(F.conv2d(torch.ones(1, 128, 6, 6), folded.conv.weight, folded.conv.bias, padding=1)), expected
    )


@torch.inference_mode()
def test_bfloat16_keeps_two_digits_and_positions_in_full():
    model, images = small_cris(), torch.randn(3, 3, 64, 64)
    expected = model(images, TOKENS)
    smaller = to_bfloat16(fuse(model))
    assert smaller.decoder.pixel_positions.frequencies.dtype == torch.float32
    assert smaller.neck.middle.conv.weight.dtype == torch.bfloat16
    assert difference(smaller(images.bfloat16(), TOKENS), expected) < 0.05
