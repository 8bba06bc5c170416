"""CLIP's modified ResNet with a dense attention pool (CRIS, section 3.1)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cris.model.blocks import Attention, ConvNorm, ConvNormRelu
from cris.model.config import ClipResnetConfig
from cris.model.encoders import ImageEncoder


class Bottleneck(nn.Module):
    """Residual block; strides are average pools, after the 3x3 convolution and before the shortcut's 1x1."""

    expansion = 4

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        channels_out = channels * self.expansion
        self.stride = stride
        self.reduce = ConvNormRelu(channels_in, channels, 1)
        self.spatial = ConvNormRelu(channels, channels, 3)
        self.expand = ConvNorm(channels, channels_out, 1)
        self.shortcut = (
            ConvNorm(channels_in, channels_out, 1) if stride > 1 or channels_in != channels_out else None
        )

    def forward(self, x: Float[Tensor, "batch in h w"]) -> Float[Tensor, "batch out h2 w2"]:
        residual = self._pool(x)
        if self.shortcut is not None:
            residual = self.shortcut(residual)
        total = self.expand(self._pool(self.spatial(self.reduce(x)))) + residual
        return F.relu(total, inplace=self.training)

    def _pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.stride) if self.stride > 1 else x


class DenseAttentionPool(nn.Module):
    """CLIP's attention pool without its class token: every position keeps its own output."""

    def __init__(self, channels: int, heads: int, dim_out: int, position_grid: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(channels, position_grid, position_grid) / channels**0.5)
        self.attention = Attention(channels, heads, dim_out=dim_out)
        self.residual = ConvNorm(channels, dim_out, 1)

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch dim h w"]:
        height, width = x.shape[-2:]
        positions = F.interpolate(self.positions[None], (height, width), mode="bicubic", align_corners=False)
        tokens = (x + positions).flatten(2).transpose(1, 2)
        attended = self.attention(tokens, tokens, tokens).transpose(1, 2).unflatten(-1, (height, width))
        return F.relu(attended + self.residual(x))


class ClipResnet(ImageEncoder):
    """Image encoder with features at strides of 8, 16 and 32 pixels."""

    float32_order = ("stem", "stages.0", "stages.1", "attention_pool")

    def __init__(self, config: ClipResnetConfig, joint_dim: int) -> None:
        super().__init__()
        self.channels = (*config.channels[:2], joint_dim)
        first, second, third = config.stem
        self.stem = nn.Sequential(
            ConvNormRelu(3, first, 3, stride=2),
            ConvNormRelu(first, second, 3),
            ConvNormRelu(second, third, 3),
            nn.AvgPool2d(2),
        )
        stages, channels_in = [], third
        for index, count in enumerate(config.layers):
            channels = config.width * 2**index
            blocks = []
            for position in range(count):
                stride = 2 if index > 0 and position == 0 else 1
                blocks.append(Bottleneck(channels_in, channels, stride))
                channels_in = channels * Bottleneck.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.attention_pool = DenseAttentionPool(channels_in, config.heads, joint_dim, config.position_grid)

    @property
    def blocks(self) -> list[nn.Module]:
        """Return all parts from the image on, in order: units to freeze or checkpoint one by one."""
        return [
            self.stem,
            *(block for stage in self.stages for block in stage.children()),
            self.attention_pool,
        ]

    @property
    def positions(self) -> list[nn.Parameter]:
        """Return the attention pool's positional embedding."""
        return [self.attention_pool.positions]

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch d3 h8 w8"], Float[Tensor, "batch d4 h16 w16"], Float[Tensor, "batch dim h32 w32"]
    ]:
        """Return C3, C4 and C5; height and width must be divisible by 32."""
        c2 = self.stages[0](self.stem(images))
        c3 = self.stages[1](c2)
        c4 = self.stages[2](c3)
        return c3, c4, self.attention_pool(self.stages[3](c4))
