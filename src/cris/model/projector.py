"""Projection of pixels and sentence into one space, where scores are products (CRIS, section 3.3)."""

import math
from functools import reduce

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cris.model.config import ProjectorConfig
from cris.model.upsample_conv import UpsampleConvNormRelu


class Projector(nn.Module):
    """Head that scores every cell of a grid of 4 pixels against the sentence."""

    def __init__(self, config: ProjectorConfig, dim: int, joint_dim: int) -> None:
        super().__init__()
        self.first = UpsampleConvNormRelu(dim, config.hidden)
        self.second = UpsampleConvNormRelu(config.hidden, config.dim)
        is_contrastive = config.head == "contrastive"
        self.pixels = nn.Conv2d(config.dim, config.dim if is_contrastive else 1, 1)
        self.kernel_size = config.kernel_size
        self.text = nn.Linear(joint_dim, config.dim * config.kernel_size**2 + 1) if is_contrastive else None

    def forward(
        self, decoded: Float[Tensor, "batch channels h16 w16"], sentence: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch 1 h4 w4"]:
        features: Tensor = self.second(self.first(decoded))
        if self.text is None:
            return self.pixels(features)  # type: ignore[no-any-return]
        assert self.pixels.bias is not None
        kernel_and_bias: Tensor = self.text(sentence)
        size = self.kernel_size
        kernel = kernel_and_bias[:, :-1].reshape(sentence.shape[0], -1, size, size)
        # the 1x1 convolution mixes the kernel's few cells instead of all pixels: the same products, added up
        # in another order; its bias counts only where a tap falls inside the image
        mixed = torch.einsum("oi,boyx->biyx", self.pixels.weight[:, :, 0, 0], kernel)
        tap_bias = torch.einsum("o,boyx->byx", self.pixels.bias, kernel)
        return correlate(features, mixed, tap_bias) + kernel_and_bias[:, -1, None, None, None]


def correlate(
    pixels: Float[Tensor, "batch channels h w"],
    kernel: Float[Tensor, "batch channels size size"],
    tap_bias: Float[Tensor, "batch size size"],
) -> Float[Tensor, "batch 1 h w"]:
    """Cross-correlate each sample with its own kernel; every tap within the image adds its bias too.

    Channels are contracted first, one map for each tap of the kernel; then the maps are shifted and added.
    A grouped convolution with one group per sample gives the same result and is many times slower on CPU.
    """
    height, width = pixels.shape[-2:]
    size = kernel.shape[-1]
    # as a product of matrices with the pixels as rows: no copy when the pixels are stored channels-last
    taps = pixels.flatten(2).transpose(1, 2) @ kernel.flatten(2) + tap_bias.flatten(1)[:, None]
    maps = taps.transpose(1, 2).reshape(pixels.shape[0], size * size, height, width)
    return add_shifted(maps)


def add_shifted(maps: Float[Tensor, "batch taps h w"]) -> Float[Tensor, "batch 1 h w"]:
    """Add one map for each tap of a square kernel, each shifted to where its tap reads, zeros moving in."""
    height, width = maps.shape[-2:]
    size = math.isqrt(maps.shape[1])
    reach = size // 2
    padded = F.pad(maps.reshape(-1, size, size, height, width), (reach, reach, reach, reach))
    rows = reduce(torch.add, [padded[:, :, tap, :, tap : tap + width] for tap in range(size)])
    return reduce(torch.add, [rows[:, tap, tap : tap + height] for tap in range(size)])[:, None]
