"""The whole model: shapes, sizes, sharing, errors."""

from dataclasses import replace

import pytest
import torch

from benchmarks.straightforward import predict_plainly
from cris.model import BACKBONES, build_cris
from cris.model.build import build_uninitialized
from cris.model.config import ClipTextConfig, DecoderConfig, ProjectorConfig
from cris.training.recipes import cris_photos
from tests.fixtures.small import KINDS, SMALL, random_tokens, small_cris

BOTH = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
"""Asks a model with each kind of encoders."""


@pytest.mark.parametrize(("name", "millions"), [("RN50", 146.85), ("RN101", 161.25)])
def test_parameters_are_those_of_the_paper(name, millions):
    with torch.device("meta"):
        model = build_cris(BACKBONES[name])
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize(("layers", "millions"), [(1, 138.43), (2, 142.64), (4, 151.06)])
def test_parameters_follow_the_decoder_depth(layers, millions):
    with torch.device("meta"):
        model = build_cris(replace(BACKBONES["RN50"], decoder=DecoderConfig(layers=layers)))
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_the_default_model_has_the_sizes_it_is_embedded_with():
    with torch.device("meta"):
        model = build_cris(cris_photos().model)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == 29.25


@pytest.mark.parametrize("name", ["RN50x4", "RN50x16", "ViT-B-32", "ViT-B-16", "ViT-L-14"])
def test_larger_backbones_run_at_their_sizes(name):
    with torch.device("meta"):
        model = build_cris(BACKBONES[name]).eval()
        logits = model(torch.empty(2, 3, 64, 96), torch.zeros(2, 17, dtype=torch.long)).logits
    assert logits.shape == (2, 1, 16, 24)


@BOTH
@pytest.mark.parametrize("size", [(32, 32), (64, 160), (96, 32)])
@pytest.mark.parametrize("length", [3, 17, 32])
@torch.no_grad()
def test_any_size_divisible_by_32_and_any_length(config, size, length):
    logits = small_cris(config)(torch.randn(1, 3, *size), random_tokens([1], length)).logits
    assert logits.shape == (1, 1, size[0] // 4, size[1] // 4)
    assert logits.isfinite().all()


@BOTH
def test_a_size_not_divisible_by_32_is_named(config):
    with pytest.raises(ValueError, match=r"divisible by 32, got 64×100"):
        small_cris(config)(torch.randn(1, 3, 64, 100), random_tokens([3], 8))


@BOTH
def test_a_sentence_longer_than_the_context_is_named(config):
    with pytest.raises(ValueError, match="33 tokens, the model reads at most 32"):
        small_cris(config)(torch.randn(1, 3, 32, 32), random_tokens([3], 33))


@BOTH
@pytest.mark.parametrize("kernel_size", [1, 3])
@torch.no_grad()
def test_logits_equal_the_straightforward_path(config, kernel_size):
    model = small_cris(replace(config, projector=ProjectorConfig(hidden=64, dim=32, kernel_size=kernel_size)))
    images, tokens = torch.randn(3, 3, 64, 96), random_tokens([3, 9, 14], 17)
    torch.testing.assert_close(
        model(images, tokens).logits, predict_plainly(model, images, tokens), rtol=1e-4, atol=1e-5
    )


@BOTH
@torch.no_grad()
def test_sentences_find_their_image_through_the_index(config):
    model = small_cris(config)
    images, tokens = torch.randn(2, 3, 64, 64), random_tokens([3, 5, 4, 7], 12)
    index = torch.tensor([1, 0, 0, 1])
    torch.testing.assert_close(
        model(images, tokens, index).logits, model(images[index], tokens).logits, rtol=1e-5, atol=1e-6
    )


@torch.no_grad()
def test_without_contrastive_projector_no_pixel_score_uses_a_text_kernel():
    model = small_cris(replace(SMALL, projector=ProjectorConfig(hidden=64, dim=32, head="classifier")))
    assert model.projector.text is None
    assert model(torch.randn(1, 3, 64, 64), random_tokens([3], 8)).logits.shape == (1, 1, 16, 16)


@torch.no_grad()
def test_without_decoder_the_neck_goes_straight_to_the_projector():
    model = small_cris(replace(SMALL, decoder=DecoderConfig(layers=0)))
    assert model.decoder is None
    assert model(torch.randn(1, 3, 64, 64), random_tokens([3], 8)).logits.shape == (1, 1, 16, 16)


def test_released_padding_hides_id_zero_and_ours_what_follows_the_end():
    tokens = random_tokens([4], 8)
    tokens[0, 2] = 0  # "!" in CLIP's table
    ours, released = small_cris(), small_cris(replace(SMALL, padding="zero_id"))
    assert ours.encode_text(tokens).is_padding.tolist() == [[False] * 6 + [True] * 2]
    assert released.encode_text(tokens).is_padding[0].nonzero().flatten().tolist() == [2, 6, 7]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_drawn_for_weights_that_are_loaded_afterwards(kind):
    before = torch.get_rng_state()
    model = build_uninitialized(KINDS[kind])
    assert torch.equal(torch.get_rng_state(), before)
    model.load_state_dict(small_cris(KINDS[kind]).state_dict())


def test_positions_are_buffers_that_are_not_stored():
    model = small_cris()
    assert not [name for name in model.state_dict() if "frequencies" in name]
    assert [name for name, _ in model.named_buffers() if "frequencies" in name]


def test_a_text_tower_of_another_width_joins_the_decoder():
    config = replace(SMALL, text=ClipTextConfig(vocabulary=600, context_length=32, width=128, layers=1))
    with torch.no_grad():
        logits = small_cris(config)(torch.randn(1, 3, 32, 32), random_tokens([3], 8)).logits
    assert logits.shape == (1, 1, 8, 8)
