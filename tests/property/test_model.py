"""What holds of every model, image and sentence."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.small import KINDS, random_tokens, small_cris

MODELS = {name: small_cris(config) for name, config in KINDS.items()}
BOTH = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=5)


@BOTH
@settings(max_examples=20)
@given(lengths=LENGTHS, padding=st.integers(1, 15), seed=st.integers(0, 1000))
@torch.no_grad()
def test_padding_tokens_never_change_logits(model, lengths, padding, seed):
    images = torch.randn(len(lengths), 3, 32, 64)
    tokens = random_tokens(lengths, 14, seed=seed)
    longer = torch.nn.functional.pad(tokens, (0, padding))
    after_end = torch.arange(longer.shape[1]) > longer.argmax(1, keepdim=True)
    scribbled = torch.where(after_end, torch.randint(1, 598, longer.shape), longer)
    expected = model(images, tokens).logits
    torch.testing.assert_close(model(images, longer).logits, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model(images, scribbled).logits, expected, rtol=1e-5, atol=1e-5)


@BOTH
@settings(max_examples=20)
@given(lengths=LENGTHS, seed=st.integers(0, 1000))
@torch.no_grad()
def test_a_batch_equals_its_singles(model, lengths, seed):
    images = torch.randn(len(lengths), 3, 64, 32)
    tokens = random_tokens(lengths, 14, seed=seed)
    singles = torch.cat([model(images[i : i + 1], tokens[i : i + 1]).logits for i in range(len(lengths))])
    batch = model(images, tokens).logits
    assert float((batch - singles).norm() / singles.norm()) <= 1e-5


@BOTH
@settings(max_examples=20)
@given(lengths=LENGTHS, seed=st.integers(0, 1000))
@torch.no_grad()
def test_many_sentences_on_one_image_equal_separate_calls(model, lengths, seed):
    image = torch.randn(1, 3, 64, 64)
    tokens = random_tokens(lengths, 14, seed=seed)
    together = model(image, tokens, torch.zeros(len(lengths), dtype=torch.long)).logits
    separate = torch.cat([model(image, row[None]).logits for row in tokens])
    assert float((together - separate).norm() / separate.norm()) <= 1e-5
