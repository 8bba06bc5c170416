"""Encoders from files in the names that others give their tensors."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertConfig, BertModel

from cris.errors import InputError
from cris.model.config import LITE
from cris.model.pretrained import load_bert, load_efficientnet_lite
from cris.model.tokenizer import Tokenizer
from tests.fixtures.wordpieces import PIECES
from tests.unit.model.test_efficientnet_lite import BLOCKS, CHANNELS, EXPANSIONS, KERNELS

Tensors = dict[str, Tensor]
DIM = 16
"""Channels of the last features: few, so that files are small."""


def norm_tensors(name: str, channels: int) -> Tensors:
    """A BatchNorm's."""
    return {
        f"{name}.weight": torch.rand(channels) + 0.5,
        f"{name}.bias": torch.randn(channels),
        f"{name}.running_mean": torch.randn(channels),
        f"{name}.running_var": torch.rand(channels) + 0.5,
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


def lite_tensors(name: str) -> Tensors:
    """What the PyTorch ports of EfficientNet-Lite save; blocks are counted through all stages."""
    torch.manual_seed(0)
    tensors = {"_conv_stem.weight": torch.randn(32, 3, 3, 3), **norm_tensors("_bn0", 32)}
    channels_in, number = 32, 0
    for stage, count in enumerate(BLOCKS[name]):
        channels = CHANNELS[name][stage]
        for _ in range(count):
            block, hidden = f"_blocks.{number}", channels_in * EXPANSIONS[stage]
            if EXPANSIONS[stage] > 1:
                tensors[f"{block}._expand_conv.weight"] = torch.randn(hidden, channels_in, 1, 1)
                tensors |= norm_tensors(f"{block}._bn0", hidden)
            size = KERNELS[stage]
            tensors[f"{block}._depthwise_conv.weight"] = torch.randn(hidden, 1, size, size)
            tensors |= norm_tensors(f"{block}._bn1", hidden)
            tensors[f"{block}._project_conv.weight"] = torch.randn(channels, hidden, 1, 1)
            tensors |= norm_tensors(f"{block}._bn2", channels)
            channels_in, number = channels, number + 1
    tensors["_conv_head.weight"] = torch.randn(DIM, channels_in, 1, 1)
    tensors |= norm_tensors("_bn1", DIM)
    return tensors | {"_fc.weight": torch.randn(5, DIM), "_fc.bias": torch.randn(5)}


@pytest.mark.parametrize("name", LITE)
def test_an_efficientnet_lite_file_gives_its_variant_and_every_weight(tmp_path: Path, name: str):
    tensors = lite_tensors(name)
    torch.save(tensors, tmp_path / "lite.pth")
    config, encoder = load_efficientnet_lite(tmp_path / "lite.pth")
    assert config == LITE[name]
    assert not encoder.training
    ours = encoder.state_dict()
    assert ours["head.conv.weight"].equal(tensors["_conv_head.weight"])
    assert ours["stem.norm.running_var"].equal(tensors["_bn0.running_var"])
    firsts = [sum(BLOCKS[name][:stage]) for stage in range(7)]
    for stage, block in ((0, 0), (1, 1), (4, 3 if name != "Lite0" else 2), (6, 0)):
        theirs, here = f"_blocks.{firsts[stage] + block}", f"stages.{stage}.{block}"
        assert ours[f"{here}.depthwise.conv.weight"].equal(tensors[f"{theirs}._depthwise_conv.weight"])
        assert ours[f"{here}.depthwise.norm.bias"].equal(tensors[f"{theirs}._bn1.bias"])
        assert ours[f"{here}.project.norm.running_mean"].equal(tensors[f"{theirs}._bn2.running_mean"])
    assert ours["stages.6.0.expand.norm.weight"].equal(tensors[f"_blocks.{firsts[6]}._bn0.weight"])
    # all that is in the file is in the encoder, but for the classifier
    counted = sum(each.numel() for key, each in tensors.items() if not key.startswith("_fc"))
    assert sum(each.numel() for each in ours.values()) == counted


def without(key: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.pop(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("_bn1.bias"), r"does not fit the model: 1 missing \(_bn1\.bias\)"),
        (
            lambda tensors: tensors.update({"_blocks.3._se_reduce.weight": torch.ones(1)}),
            r"1 unexpected \(_blocks\.3\._se_reduce\.weight\)",
        ),
        (
            lambda tensors: tensors.update({"_conv_stem.weight": torch.ones(40, 3, 3, 3)}),
            r"1 misshapen \(_conv_stem\.weight \(40, 3, 3, 3\)\)",
        ),
        (without("_conv_head.weight"), "must hold an EfficientNet-Lite0, 1 or 2 .* found 16 blocks"),
        (
            lambda tensors: tensors.update({"_conv_head.weight": torch.ones(DIM)}),
            "must hold an EfficientNet-Lite0, 1 or 2",
        ),
        (
            lambda tensors: tensors.update({"_blocks.16._bn1.bias": torch.ones(1)}),
            "must hold an EfficientNet-Lite0, 1 or 2 .* found 17 blocks",
        ),
        (
            lambda tensors: [tensors.pop(key) for key in [*tensors] if key != "_fc.bias"],
            "must hold an EfficientNet-Lite0, 1 or 2 .* found 0 blocks",
        ),
    ],
)
def test_an_efficientnet_lite_file_that_does_not_fit_is_told_in_one_line(
    tmp_path: Path, change: Callable[[Tensors], object], message: str
):
    tensors = lite_tensors("Lite0")
    change(tensors)
    path = tmp_path / "lite.safetensors"
    save_file(tensors, path)
    with pytest.raises(InputError, match=message) as error:
        load_efficientnet_lite(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_without_counters_of_batch_norm_is_read(tmp_path: Path):
    tensors = {key: each for key, each in lite_tensors("Lite0").items() if "num_batches" not in key}
    save_file(tensors, tmp_path / "lite.safetensors")
    assert load_efficientnet_lite(tmp_path / "lite.safetensors")[0] == LITE["Lite0"]


def bert() -> BertModel:
    """A small BERT with random weights that reads `PIECES`."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        max_position_embeddings=80,
    )
    model = BertModel(config).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return model


TOKENIZER = Tokenizer.from_word_pieces(PIECES).reduced(["the red dog holding umbrellas"])


@torch.no_grad()
def test_a_bert_file_answers_as_transformers_with_a_reduced_vocabulary(tmp_path: Path):
    theirs = bert()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    config, ours = load_bert(tmp_path / "model.safetensors", PIECES, TOKENIZER, 24)
    assert (config.vocabulary, config.width, config.layers) == (TOKENIZER.vocab_size, 64, 2)
    assert ours.positions.shape == (config.context_length, 64)
    assert ours.projection.shape == (64, 24)
    assert not ours.training
    tokens = TOKENIZER(["the red dog", "umbrellas"], 12)
    known = torch.arange(12) <= tokens.argmax(dim=1, keepdim=True)
    ids = {piece: index for index, piece in enumerate(PIECES)}
    names = TOKENIZER.pieces
    asked = torch.tensor([[ids[names[token]] for token in row] for row in tokens.tolist()])
    expected = theirs(input_ids=asked, attention_mask=known.long()).last_hidden_state
    words, _ = ours(tokens)
    assert float((words[known] - expected[known]).norm() / expected[known].norm()) <= 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            without("encoder.layer.1.output.LayerNorm.bias"),
            r"1 missing \(encoder\.layer\.1\.output\.LayerNorm\.bias\)",
        ),
        (
            lambda tensors: tensors.update({"encoder.layer.0.adapter.weight": torch.ones(1)}),
            r"1 unexpected \(encoder\.layer\.0\.adapter\.weight\)",
        ),
        (
            lambda tensors: tensors.update({"encoder.layer.0.intermediate.dense.bias": torch.ones(9)}),
            r"1 misshapen \(encoder\.layer\.0\.intermediate\.dense\.bias \(9,\)\)",
        ),
        (without("embeddings.token_type_embeddings.weight"), "must hold a BERT with .* word pieces"),
        (without("embeddings.word_embeddings.weight"), "must hold a BERT with .* word pieces"),
        (
            lambda tensors: tensors.update({"embeddings.word_embeddings.weight": torch.ones(7, 64)}),
            f"must hold a BERT with {len(PIECES)} word pieces",
        ),
        (
            lambda tensors: [tensors.pop(key) for key in [*tensors] if key.startswith("encoder.")],
            "must hold a BERT with .* word pieces",
        ),
        (
            lambda tensors: tensors.update({"embeddings.position_embeddings.weight": torch.ones(20, 64)}),
            r"1 misshapen \(positions \(20, 64\)\)",
        ),
    ],
)
def test_a_bert_file_that_does_not_fit_is_told_in_one_line(
    tmp_path: Path, change: Callable[[Tensors], object], message: str
):
    tensors = bert().state_dict()
    change(tensors)
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    with pytest.raises(InputError, match=message) as error:
        load_bert(path, PIECES, TOKENIZER, 24)
    assert re.search(re.escape(str(path)), str(error.value))
    assert "\n" not in str(error.value)
