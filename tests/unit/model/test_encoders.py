"""What the model asks of every encoder."""

from dataclasses import replace

import pytest
import torch

from cris.errors import InputError
from cris.model.build import build_cris, build_image_encoder, build_like, build_text_encoder
from cris.model.config import CrisConfig, CustomImageConfig
from cris.model.encoders import ImageEncoder, OwnImageEncoder, TextEncoder
from tests.fixtures.small import KINDS, SMALL, Pyramid, random_tokens, small_cris

CONFIGS = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)


@CONFIGS
def test_blocks_of_an_image_encoder_are_all_its_weights_in_order(config: CrisConfig):
    encoder = build_image_encoder(config.image, config.joint_dim)
    assert isinstance(encoder, ImageEncoder)
    parameters = [id(each) for block in encoder.blocks for each in block.parameters()]
    assert parameters == [id(each) for each in encoder.parameters()]


@CONFIGS
@torch.no_grad()
def test_image_features_have_strides_of_8_16_and_32_pixels(config: CrisConfig):
    encoder = build_image_encoder(config.image, config.joint_dim).eval()
    assert_features_fit(encoder, config.joint_dim)


def assert_features_fit(encoder: ImageEncoder, joint_dim: int) -> None:
    """Features are what the encoder says of them."""
    c3, c4, c5 = encoder.channels
    features = encoder(torch.randn(2, 3, 96, 64))
    shapes = [(2, c3, 12, 8), (2, c4, 6, 4), (2, c5, 3, 2)]
    assert [tuple(each.shape) for each in features] == shapes
    assert c5 == joint_dim


@CONFIGS
def test_positions_and_parts_to_leave_in_float32_are_the_encoders_own(config: CrisConfig):
    encoder = build_image_encoder(config.image, config.joint_dim)
    assert {id(each) for each in encoder.positions} <= {id(each) for each in encoder.parameters()}
    assert encoder.float32_order[0] == "stem"
    assert set(encoder.float32_order) <= {name for name, _ in encoder.named_modules()}


@pytest.mark.parametrize("given", [Pyramid, Pyramid(SMALL.joint_dim)], ids=["class", "finished"])
@torch.no_grad()
def test_an_encoder_from_outside_becomes_part_of_the_model(given: OwnImageEncoder):
    model = build_cris(SMALL, image_encoder=given).eval()
    assert isinstance(model.image_encoder, Pyramid)
    assert model.image_encoder is given or given is Pyramid
    assert model.config == replace(SMALL, image=CustomImageConfig(name="Pyramid"))
    assert_features_fit(model.image_encoder, SMALL.joint_dim)
    assert model(torch.randn(1, 3, 64, 64), random_tokens([3], 12)).logits.shape == (1, 1, 16, 16)


def test_a_model_with_an_encoder_from_outside_is_not_built_without_it():
    config = build_cris(SMALL, image_encoder=Pyramid).config
    with pytest.raises(InputError, match=r"which cris cannot build: pass image_encoder=Pyramid$"):
        build_cris(config)


def test_an_encoder_that_does_not_fit_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"Pyramid must have the model's 64 channels \(joint_dim\), got 32"):
        build_cris(SMALL, image_encoder=Pyramid(32))
    with pytest.raises(InputError, match=r"must be a cris\.model\.ImageEncoder, .*got Linear"):
        build_cris(SMALL, image_encoder=lambda width: torch.nn.Linear(width, width))


def test_a_model_like_another_has_weights_of_its_own():
    model = small_cris(image_encoder=Pyramid)
    again = build_like(model)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert again.config == model.config
    assert {id(each) for each in again.parameters()}.isdisjoint({id(each) for each in model.parameters()})


@CONFIGS
@torch.no_grad()
def test_text_features_are_of_words_and_of_the_sentence_in_the_joint_space(config: CrisConfig):
    encoder = build_text_encoder(config.text, config.joint_dim).eval()
    assert isinstance(encoder, TextEncoder)
    words, sentence = encoder(random_tokens([3, 5], 12))
    assert words.shape == (2, 12, config.text.width)
    assert sentence.shape == (2, config.joint_dim)
    assert encoder.projection.shape == (config.text.width, config.joint_dim)
    assert len(encoder.blocks) == config.text.layers


@pytest.mark.parametrize(("base", "method"), [(ImageEncoder, "blocks"), (TextEncoder, "forward")])
def test_an_encoder_without_its_methods_is_refused(base: type, method: str):
    with pytest.raises(TypeError, match=method):
        type("Unfinished", (base,), {})()
