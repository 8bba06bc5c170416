"""CLIP's text transformer, with a feature for each word and one for the sentence."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from cris.errors import InputError
from cris.model.blocks import Attention
from cris.model.config import ClipTextConfig
from cris.model.encoders import TextEncoder


class TextFeatures(NamedTuple):
    """Features of N sentences."""

    words: Float[Tensor, "sentences tokens width"]
    sentence: Float[Tensor, "sentences dim"]
    is_padding: Bool[Tensor, "sentences tokens"]


class QuickGelu(nn.Module):
    """CLIP's approximation of GELU."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return x * torch.sigmoid(1.702 * x)


class ClipBlock(nn.Module):
    """Pre-norm transformer block; causal, tokens attend only to themselves and earlier ones."""

    def __init__(self, width: int, heads: int, *, is_causal: bool) -> None:
        super().__init__()
        self.is_causal = is_causal
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), QuickGelu(), nn.Linear(4 * width, width))

    def forward(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        y = self.attention_norm(x)
        x = x + self.attention(y, y, y, is_causal=self.is_causal)
        return x + self.mlp(self.mlp_norm(x))  # type: ignore[no-any-return]


class ClipText(TextEncoder):
    """Encoder from token ids to word features and a sentence feature."""

    def __init__(self, config: ClipTextConfig, joint_dim: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Parameter(torch.empty(config.context_length, config.width).normal_(std=0.01))
        self.blocks = nn.ModuleList(
            ClipBlock(config.width, config.heads, is_causal=True) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.projection = nn.Parameter(torch.randn(config.width, joint_dim) / config.width**0.5)
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def forward(
        self, tokens: Int[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch tokens width"], Float[Tensor, "batch dim"]]:
        """Return the words and the sentence: the word at the end token (the largest id), projected."""
        length, longest = tokens.shape[1], self.positions.shape[0]
        if length > longest:
            raise InputError(f"sentences have {length} tokens, the model reads at most {longest}: cut them")
        x = self.token_embedding(tokens) + self.positions[:length]
        for block in self.blocks:
            x = block(x)
        words = self.norm(x)
        ends = tokens.argmax(dim=1)
        return words, words[torch.arange(words.shape[0], device=words.device), ends] @ self.projection
