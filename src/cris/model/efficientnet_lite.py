"""EfficientNet-Lite without its classifier (Tan and Le, 2019; TensorFlow TPU models, 2020)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cris.letterbox import MEAN_RGB, STD_RGB
from cris.model.blocks import ConvNorm
from cris.model.config import EfficientNetLiteConfig
from cris.model.encoders import ImageEncoder

EPS = 1e-3
"""Epsilon of every BatchNorm."""


class Stage(NamedTuple):
    """A row of the paper's table 1, before scaling."""

    channels: int
    blocks: int
    kernel_size: int
    stride: int
    expansion: int


STEM = 32
STAGES = (
    Stage(16, 1, 3, 1, 1),
    Stage(24, 2, 3, 2, 6),
    Stage(40, 2, 5, 2, 6),
    Stage(80, 3, 3, 2, 6),
    Stage(112, 3, 5, 1, 6),
    Stage(192, 4, 5, 2, 6),
    Stage(320, 1, 3, 1, 6),
)
LAST_OF_C3, LAST_OF_C4 = 2, 4
"""Indices of the stages whose outputs are C3 and C4, at strides of 8 and 16 pixels."""


class SameConvNorm(ConvNorm):
    """Convolution and BatchNorm with TensorFlow's "same" padding.

    An even side and a stride of 2 need one line fewer of zeros than torch adds: it is left out at the top and
    at the left.
    """

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out h w"]:
        (stride, _), (size, _) = self.conv.stride, self.conv.kernel_size
        if stride == 1:
            return super().forward(x)
        before, after = (size - 2) // 2, (size - 1) // 2
        padded = F.pad(x, (before, after, before, after))
        conv = F.conv2d(padded, self.conv.weight, self.conv.bias, stride, groups=self.conv.groups)
        return self.norm(conv)  # type: ignore[no-any-return]


class SameConvNormRelu6(SameConvNorm):
    """SameConvNorm with its output clipped to between 0 and 6."""

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out h w"]:
        return F.relu6(super().forward(x), inplace=self.training)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen, filter each channel by itself, narrow without a nonlinearity."""

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.expand = None if expansion == 1 else SameConvNormRelu6(channels_in, hidden, 1, eps=EPS)
        self.depthwise = SameConvNormRelu6(hidden, hidden, kernel_size, stride, groups=hidden, eps=EPS)
        self.project = ConvNorm(hidden, channels_out, 1, eps=EPS)
        self.is_residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Float[Tensor, "batch in h w"]) -> Float[Tensor, "batch out h2 w2"]:
        wide = x if self.expand is None else self.expand(x)
        narrow: Tensor = self.project(self.depthwise(wide))
        return x + narrow if self.is_residual else narrow


class EfficientNetLite(ImageEncoder):
    """Image encoder with features at strides of 8, 16 and 32 pixels; the last has the joint width."""

    float32_order = ("stem", "stages.0", "stages.1", "head")
    scale: Tensor
    shift: Tensor

    def __init__(self, config: EfficientNetLiteConfig, joint_dim: int) -> None:
        super().__init__()
        self.channels = (*config.channels[:2], joint_dim)
        self.stem = SameConvNormRelu6(3, STEM, 3, 2, eps=EPS)
        channels_in, stages = STEM, []
        for index, stage in enumerate(STAGES):
            channels = config.scaled_channels(stage.channels)
            is_fixed = index in (0, len(STAGES) - 1)
            count = stage.blocks if is_fixed else config.scaled_depth(stage.blocks)
            blocks = []
            for position in range(count):
                blocks.append(
                    InvertedResidual(
                        channels_in,
                        channels,
                        kernel_size=stage.kernel_size,
                        stride=stage.stride if position == 0 else 1,
                        expansion=stage.expansion,
                    )
                )
                channels_in = channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = SameConvNormRelu6(channels_in, joint_dim, 1, eps=EPS)
        # from CLIP's normalisation, which every model here is given, to (level - 127) / 128
        scale = torch.tensor(STD_RGB) * 255 / 128
        shift = (torch.tensor(MEAN_RGB) * 255 - 127) / 128
        self.register_buffer("scale", scale[:, None, None], persistent=False)
        self.register_buffer("shift", shift[:, None, None], persistent=False)

    @property
    def blocks(self) -> list[nn.Module]:
        """Return all parts from the image on, in order: units to freeze or checkpoint one by one."""
        return [self.stem, *(block for stage in self.stages for block in stage.children()), self.head]

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch d3 h8 w8"], Float[Tensor, "batch d4 h16 w16"], Float[Tensor, "batch dim h32 w32"]
    ]:
        """Return C3, C4 and C5; height and width must be divisible by 32."""
        x = self.stem(images * self.scale + self.shift)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features[LAST_OF_C3], features[LAST_OF_C4], self.head(x)
