"""Bilinear upsampling by 2 and a 3x3 convolution in one, with a quarter of the multiplications.

Upsampling commutes with mixing channels. So channels are mixed first, at the low resolution, once for each
of the nine taps; upsampling, shifting and adding the nine maps is then one small matrix along the rows and
one along the columns, borders included.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from cris.model.blocks import ConvNormRelu, upsample


class UpsampleConvNormRelu(ConvNormRelu):
    """Bilinear upsampling by 2, then a 3x3 convolution, BatchNorm and ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3)

    def forward(self, x: Float[Tensor, "batch in h w"]) -> Float[Tensor, "batch out h2 w2"]:
        if x.is_cuda:  # where convolutions run at full speed, and round once instead of three times
            return super().forward(upsample(x))
        return self.finish(upsample_conv(x, self.conv.weight))


def upsample_conv(
    x: Float[Tensor, "batch in h w"], kernel: Float[Tensor, "out in 3 3"]
) -> Float[Tensor, "batch out h2 w2"]:
    """Convolve the upsampled `x`, with zeros outside; differentiable, and channels-last in memory."""
    batch, channels, height, width = x.shape
    taps = {length: upsampled_taps(length, x) for length in {height, width}}
    rows = taps[height].transpose(0, 1).flatten(1)  # columns: (row tap, row)
    columns = taps[width].permute(1, 2, 0).flatten(1)  # columns: (column, tap)
    weight = kernel.permute(2, 1, 3, 0).flatten(2)  # row tap, in, (column tap, out)
    mixed = x.permute(0, 2, 3, 1).reshape(batch, 1, height * width, channels) @ weight
    tall = rows @ mixed.reshape(batch, 3 * height, -1)
    wide: Tensor = columns @ tall.reshape(batch, 2 * height, 3 * width, -1)
    return wide.permute(0, 3, 1, 2)


def upsampled_taps(length: int, like: Tensor) -> Float[Tensor, "3 upsampled length"]:
    """Return each kernel tap's weight matrix from a line to the upsampled line, with zeros outside."""
    identity = torch.eye(length, device=like.device)
    upsampled = F.interpolate(identity[None], scale_factor=2, mode="linear", align_corners=False)[0].T
    padded = F.pad(upsampled, (0, 0, 1, 1)).to(like.dtype)
    return torch.stack([padded[tap : tap + 2 * length] for tap in range(3)])
