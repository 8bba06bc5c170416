"""What the model asks of every encoder."""

import pytest
import torch

from cris.model.build import build_image_encoder, build_text_encoder
from cris.model.config import CrisConfig
from cris.model.encoders import ImageEncoder, TextEncoder
from tests.small import KINDS, random_tokens

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
    c3, c4, _ = config.image.channels
    features = encoder(torch.randn(2, 3, 96, 64))
    shapes = [(2, c3, 12, 8), (2, c4, 6, 4), (2, config.joint_dim, 3, 2)]
    assert [tuple(each.shape) for each in features] == shapes


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
