"""Vision-language decoder (CRIS, section 3.2), in the released code's form."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cris.errors import InputError
from cris.model.blocks import Attention, SinePositions
from cris.model.config import DecoderConfig


class FeedForward(nn.Module):
    """Two linear layers with dropout and a LayerNorm between them."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(hidden)
        self.reduce = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "batch pixels dim"]) -> Float[Tensor, "batch pixels dim"]:
        return self.reduce(self.norm(self.dropout(F.relu(self.expand(x)))))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """Self-attention of pixels, then attention to words; each result is normalised before it is added."""

    def __init__(self, config: DecoderConfig, dim: int, dim_words: int) -> None:
        super().__init__()
        self.self_input_norm = nn.LayerNorm(dim)
        self.self_attention = Attention(dim, config.heads, dropout=config.dropout)
        self.self_output_norm = nn.LayerNorm(dim)
        self.cross_input_norm = nn.LayerNorm(dim)
        self.cross_attention = Attention(dim, config.heads, dim_keys=dim_words, dropout=config.dropout)
        self.cross_output_norm = nn.LayerNorm(dim)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, config.ffn, config.dropout)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        pixels: Float[Tensor, "batch pixels dim"],
        words: Float[Tensor, "batch words dim_words"],
        positions: Float[Tensor, "pixels dim"],
        word_positions: Float[Tensor, "words dim_words"],
        is_padding: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch pixels dim"]:
        x = self.self_input_norm(pixels)
        located = x + positions
        pixels = pixels + self.dropout(self.self_output_norm(self.self_attention(located, located, x)))
        x = self.cross_input_norm(pixels) + positions
        attended = self.cross_attention(x, words + word_positions, words, is_padding=is_padding)
        pixels = pixels + self.dropout(self.cross_output_norm(attended))
        return pixels + self.dropout(self.feed_forward(self.feed_forward_norm(pixels)))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Decoder in which every pixel attends to the words of the sentence."""

    def __init__(self, config: DecoderConfig, dim: int, dim_words: int) -> None:
        super().__init__()
        if dim % 4:
            raise InputError(f"the decoder's width must be divisible by 4 for its 2-D positions, got {dim}")
        self.pixel_positions = SinePositions(dim // 2)
        self.word_positions = SinePositions(dim_words)
        self.layers = nn.ModuleList(DecoderLayer(config, dim, dim_words) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        fused: Float[Tensor, "batch dim h w"],
        words: Float[Tensor, "batch words dim_words"],
        is_padding: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch dim h w"]:
        height, width = fused.shape[-2:]
        positions = self.pixel_positions.grid(height, width).to(fused.dtype)
        word_positions = self.word_positions(words.shape[1]).to(words.dtype)
        pixels = fused.flatten(2).transpose(1, 2)
        for layer in self.layers:
            pixels = layer(pixels, words, positions, word_positions, is_padding)
        return self.norm(pixels).transpose(1, 2).unflatten(-1, (height, width))  # type: ignore[no-any-return]
