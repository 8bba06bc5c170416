"""BERT against transformers' own, and its sentence vector against the formula."""

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from cris.errors import InputError
from cris.model.bert_text import BertText
from cris.model.config import BertTextConfig
from tests.fixtures.small import random_tokens

CONFIG = BertTextConfig(vocabulary=600, context_length=24, width=64, layers=3)
JOINT_DIM = 40


@pytest.fixture(scope="module")
def theirs() -> BertModel:
    """A small BERT with random weights, nothing at its initial value."""
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=600,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=256,
            max_position_embeddings=24,
        ),
        add_pooling_layer=False,
    ).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return model


@pytest.fixture(scope="module")
def ours(theirs: BertModel) -> BertText:
    """Ours with the weights of theirs, copied by hand."""
    encoder = BertText(CONFIG, JOINT_DIM).eval()
    embeddings = theirs.embeddings
    with torch.no_grad():
        encoder.token_embedding.weight.copy_(embeddings.word_embeddings.weight)
        encoder.positions.copy_(
            embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
        )
        encoder.embedding_norm.load_state_dict(embeddings.LayerNorm.state_dict())
        for block, layer in zip(encoder.blocks, theirs.encoder.layer, strict=True):
            block.attention.query.load_state_dict(layer.attention.self.query.state_dict())
            block.attention.key.load_state_dict(layer.attention.self.key.state_dict())
            block.attention.value.load_state_dict(layer.attention.self.value.state_dict())
            block.attention.output.load_state_dict(layer.attention.output.dense.state_dict())
            block.attention_norm.load_state_dict(layer.attention.output.LayerNorm.state_dict())
            block.mlp[0].load_state_dict(layer.intermediate.dense.state_dict())
            block.mlp[2].load_state_dict(layer.output.dense.state_dict())
            block.mlp_norm.load_state_dict(layer.output.LayerNorm.state_dict())
    return encoder


def is_word(tokens: Tensor) -> Tensor:
    """Start, words and end."""
    return torch.arange(tokens.shape[1]) <= tokens.argmax(dim=1, keepdim=True)


@torch.no_grad()
def test_words_are_those_of_transformers(theirs: BertModel, ours: BertText):
    tokens = random_tokens([1, 9, 22], 24)
    known = is_word(tokens)
    expected = theirs(input_ids=tokens, attention_mask=known.long()).last_hidden_state
    words, _ = ours(tokens)
    assert expected[known].std() > 0.5
    assert float((words[known] - expected[known]).norm() / expected[known].norm()) <= 1e-5


@torch.no_grad()
def test_the_sentence_is_the_mean_of_its_words_projected_around_one(ours: BertText):
    tokens = random_tokens([2, 7], 12)
    words, sentence = ours(tokens)
    for row, count in enumerate((4, 9)):
        mean = words[row, :count].double().mean(dim=0)
        vector = mean @ ours.projection.double()
        expected = vector / vector.square().sum().sqrt() * JOINT_DIM**0.5
        torch.testing.assert_close(sentence[row].double(), expected, rtol=1e-5, atol=1e-6)
        assert float(sentence[row].square().mean()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("padding", [1, 6])
@torch.no_grad()
def test_padding_never_changes_words_or_sentence(ours: BertText, padding: int):
    tokens = random_tokens([2, 9, 16], 18)
    longer = torch.nn.functional.pad(tokens, (0, padding))
    scribbled = torch.where(is_word(longer), longer, 123)
    known = is_word(tokens)
    words, sentence = ours(tokens)
    for other in (longer, scribbled):
        found, found_sentence = ours(other)
        torch.testing.assert_close(found[:, :18][known], words[known], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found_sentence, sentence, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_batch_equals_its_singles(ours: BertText):
    tokens = random_tokens([3, 10, 1, 14], 16)
    words, sentence = ours(tokens)
    for row in range(4):
        one, one_sentence = ours(tokens[row : row + 1])
        known = is_word(tokens[row : row + 1])[0]
        torch.testing.assert_close(one[0, known], words[row, known], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(one_sentence[0], sentence[row], rtol=1e-5, atol=1e-5)


def test_every_word_sees_those_after_it(ours: BertText):
    tokens = random_tokens([4], 6)
    changed = tokens.clone()
    changed[0, 4] = (tokens[0, 4] + 1) % 598
    with torch.no_grad():
        assert (ours(tokens)[0][0, 1] - ours(changed)[0][0, 1]).abs().max() > 1e-3


def test_a_sentence_longer_than_the_context_is_named(ours: BertText):
    with pytest.raises(InputError, match="25 tokens, the model reads at most 24: cut them"):
        ours(random_tokens([3], 25))
