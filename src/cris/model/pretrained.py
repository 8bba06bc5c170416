"""Encoders trained elsewhere: EfficientNet-Lite on ImageNet, and BERT sentence encoders."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cris.errors import InputError
from cris.model.bert_text import BertText
from cris.model.config import LITE, BertTextConfig, EfficientNetLiteConfig
from cris.model.efficientnet_lite import EfficientNetLite
from cris.model.safe_load import read_tensors
from cris.model.state_dict import TensorSource, load_tensors
from cris.model.tokenizer import Tokenizer

_BLOCK = {
    "expand.conv": "_expand_conv",
    "expand.norm": "_bn0",
    "depthwise.conv": "_depthwise_conv",
    "depthwise.norm": "_bn1",
    "project.conv": "_project_conv",
    "project.norm": "_bn2",
}
_ENDS = {
    **{"stem.conv": "_conv_stem", "stem.norm": "_bn0"},
    **{"head.conv": "_conv_head", "head.norm": "_bn1"},
}
_BERT_BLOCK = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "mlp.0": "intermediate.dense",
    "mlp.2": "output.dense",
    "mlp_norm": "output.LayerNorm",
}


def load_efficientnet_lite(path: str | Path) -> tuple[EfficientNetLiteConfig, EfficientNetLite]:
    """Return the image encoder of an EfficientNet-Lite file, in PyTorch's usual names, and its sizes.

    The classifier is left out. No code from the file is run.

    Raises:
        InputError: it is another model; names the tensors that do not fit.
    """
    tensors = read_tensors(path)
    blocks = len({key.split(".")[1] for key in tensors if key.startswith("_blocks.")})
    last = tensors.get("_conv_head.weight", torch.zeros(0))
    head = last.shape if last.ndim == 4 else (0, 0)
    for config in LITE.values():
        encoder = EfficientNetLite(config, joint_dim=max(head[0], 1))
        if len(encoder.blocks) - 2 == blocks and config.channels[2] == head[1]:
            break
    else:
        raise InputError(
            f"{path} must hold an EfficientNet-Lite0, 1 or 2 with tensors named _conv_stem, _blocks.N… and "
            f"_conv_head, found {blocks} blocks"
        )
    load_tensors(encoder, tensors, _lite_sources(encoder), unused=("_fc.weight", "_fc.bias"), path=path)
    return config, encoder.eval()


def _lite_sources(encoder: EfficientNetLite) -> dict[str, TensorSource]:
    """Return the places of our tensors in an EfficientNet-Lite file, which numbers blocks across stages."""
    counts = [len(list(stage.children())) for stage in encoder.stages]
    firsts = [sum(counts[:index]) for index in range(len(counts))]
    sources = {}
    for name in encoder.state_dict():
        if block := re.fullmatch(r"stages\.(\d+)\.(\d+)\.(\w+\.\w+)\.(\w+)", name):
            number = firsts[int(block[1])] + int(block[2])
            sources[name] = TensorSource(f"_blocks.{number}.{_BLOCK[block[3]]}.{block[4]}")
        else:
            module, _, tensor = name.rpartition(".")
            sources[name] = TensorSource(f"{_ENDS[module]}.{tensor}")
    return sources


def load_bert(
    path: str | Path, pieces: list[str], tokenizer: Tokenizer, joint_dim: int
) -> tuple[BertTextConfig, BertText]:
    """Return the text encoder of a BERT file in Hugging Face's names, with the tokenizer's vocabulary alone.

    The projection into the joint space, which BERT lacks, is fresh.

    Args:
        path: safetensors file or state dict.
        pieces: the file's vocabulary, in the order of its ids.
        tokenizer: a tokenizer whose tokens are among the pieces.
        joint_dim: width of the joint space.

    Raises:
        InputError: it is another model; names the tensors that do not fit.
    """
    tensors = dict(read_tensors(path))
    embedding, segments, positions = (
        tensors.pop(f"embeddings.{name}.weight", torch.zeros(0))
        for name in ("word_embeddings", "token_type_embeddings", "position_embeddings")
    )
    layers = len({key.split(".")[2] for key in tensors if key.startswith("encoder.layer.")})
    are_tables = embedding.ndim == segments.ndim == positions.ndim == 2
    if not layers or not are_tables or len(embedding) != len(pieces):
        raise InputError(f"{path} must hold a BERT with {len(pieces)} word pieces in Hugging Face's names")
    config = BertTextConfig(vocabulary=tokenizer.vocab_size, width=embedding.shape[1], layers=layers)
    encoder = BertText(config, joint_dim)
    known = {piece: index for index, piece in enumerate(pieces)}
    tensors["embeddings.word_embeddings.weight"] = embedding[[known[each] for each in tokenizer.pieces]]
    tensors["positions"] = positions[: config.context_length] + segments[0]
    load_tensors(encoder, tensors, _bert_sources(encoder), unused=_unused(tensors), path=path)
    return config, encoder.eval()


def _bert_sources(encoder: nn.Module) -> dict[str, TensorSource]:
    sources = {
        "token_embedding.weight": TensorSource("embeddings.word_embeddings.weight"),
        "positions": TensorSource("positions"),
        "embedding_norm.weight": TensorSource("embeddings.LayerNorm.weight"),
        "embedding_norm.bias": TensorSource("embeddings.LayerNorm.bias"),
    }
    for name in encoder.state_dict():
        if block := re.fullmatch(r"blocks\.(\d+)\.(.+)\.(\w+)", name):
            sources[name] = TensorSource(f"encoder.layer.{block[1]}.{_BERT_BLOCK[block[2]]}.{block[3]}")
    return sources


def _unused(tensors: Mapping[str, Tensor]) -> list[str]:
    return [key for key in tensors if key.startswith("pooler.") or key == "embeddings.position_ids"]
