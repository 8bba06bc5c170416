"""BERT as a sentence encoder with mean pooling (BERT 2019, Sentence-BERT 2019, MiniLM 2020)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from cris.errors import InputError
from cris.model.blocks import Attention
from cris.model.config import BertTextConfig
from cris.model.encoders import TextEncoder

EPS = 1e-12
"""Epsilon of every LayerNorm."""


class BertBlock(nn.Module):
    """Post-norm transformer block in which every word attends to every other."""

    def __init__(self, config: BertTextConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads)
        self.attention_norm = nn.LayerNorm(config.width, eps=EPS)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, 4 * config.width), nn.GELU(), nn.Linear(4 * config.width, config.width)
        )
        self.mlp_norm = nn.LayerNorm(config.width, eps=EPS)

    def forward(
        self, x: Float[Tensor, "batch tokens width"], is_padding: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens width"]:
        x = self.attention_norm(x + self.attention(x, x, x, is_padding=is_padding))
        return self.mlp_norm(x + self.mlp(x))  # type: ignore[no-any-return]


class BertText(TextEncoder):
    """Encoder from token ids to word features and a sentence feature."""

    def __init__(self, config: BertTextConfig, joint_dim: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        # BERT's embedding of the first segment, which all tokens have, is part of the positions
        self.positions = nn.Parameter(torch.empty(config.context_length, config.width).normal_(std=0.02))
        self.embedding_norm = nn.LayerNorm(config.width, eps=EPS)
        self.blocks = nn.ModuleList(BertBlock(config) for _ in range(config.layers))
        self.projection = nn.Parameter(torch.randn(config.width, joint_dim) / config.width**0.5)
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def forward(
        self, tokens: Int[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch tokens width"], Float[Tensor, "batch dim"]]:
        """Return the words, and the sentence: their mean, projected, its components around 1.

        Raises:
            InputError: sentences are longer than the context.
        """
        length, longest = tokens.shape[1], self.positions.shape[0]
        if length > longest:
            raise InputError(f"sentences have {length} tokens, the model reads at most {longest}: cut them")
        is_padding = torch.arange(length, device=tokens.device) > tokens.argmax(dim=1, keepdim=True)
        x = self.embedding_norm(self.token_embedding(tokens) + self.positions[:length])
        for block in self.blocks:
            x = block(x, is_padding)
        is_word = (~is_padding)[..., None].to(x.dtype)
        mean = (x * is_word).sum(dim=1) / is_word.sum(dim=1)
        sentence = F.normalize(mean @ self.projection, dim=1)
        return x, sentence * self.projection.shape[1] ** 0.5
