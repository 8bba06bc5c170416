"""Small models that tests are made with."""

from dataclasses import replace

import torch
from torch import nn

from cris.model import Cris, CrisConfig, ImageEncoder, build_cris
from cris.model.blocks import ConvNormRelu
from cris.model.config import (
    BertTextConfig,
    ClipResnetConfig,
    ClipTextConfig,
    ClipVitConfig,
    DecoderConfig,
    EfficientNetLiteConfig,
    NeckConfig,
    ProjectorConfig,
)
from cris.model.encoders import OwnImageEncoder

SMALL = CrisConfig(
    joint_dim=64,
    image=ClipResnetConfig(layers=(1, 1, 1, 1), stem=(4, 4, 8), width=8, position_grid=2),
    text=ClipTextConfig(vocabulary=600, context_length=32, width=64, layers=2),
    neck=NeckConfig(fine=32, middle=64, coarse=128),
    decoder=DecoderConfig(layers=2, ffn=128),
    projector=ProjectorConfig(hidden=64, dim=32),
)
SMALL_LITE = replace(
    SMALL,
    image=EfficientNetLiteConfig(width=0.25, depth=0.25),
    text=BertTextConfig(vocabulary=600, context_length=32, width=64, layers=2),
    neck=replace(SMALL.neck, alignment=True),
    presence_heads=2,
)
"""With the encoders, the alignment and the presence head of cris-photos."""
SMALL_VIT = replace(SMALL, image=ClipVitConfig(width=64, layers=2, position_grid=3))
KINDS = {"clip": SMALL, "lite": SMALL_LITE, "vit": SMALL_VIT}
"""A small model with each kind of encoders."""


def small_cris(
    config: CrisConfig = SMALL, seed: int = 0, image_encoder: OwnImageEncoder | None = None
) -> Cris:
    """A small model in evaluation mode whose BatchNorm statistics are not the trivial ones."""
    generator_state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = build_cris(config, image_encoder=image_encoder).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    torch.set_rng_state(generator_state)
    return model


def random_tokens(lengths: list[int], total: int, vocabulary: int = 600, seed: int = 0) -> torch.Tensor:
    """Rows of ids: start, `length` others, end, zeros."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.zeros(len(lengths), total, dtype=torch.long)
    for row, length in zip(tokens, lengths, strict=True):
        row[0] = vocabulary - 2
        row[1 : length + 1] = torch.randint(0, vocabulary - 2, (length,), generator=generator)
        row[length + 1] = vocabulary - 1
    return tokens


class Pyramid(ImageEncoder):
    """An image encoder that the package does not have: plain convolutions."""

    def __init__(self, joint_dim: int) -> None:
        super().__init__()
        self.channels = (12, 16, joint_dim)
        self.c3 = ConvNormRelu(3, 12, 9, stride=8)
        self.c4 = nn.Sequential(nn.Conv2d(12, 16, 3, 2, 1), nn.GELU())
        self.c5 = nn.Conv2d(16, joint_dim, 3, 2, 1)

    @property
    def blocks(self) -> list[nn.Module]:
        return [self.c3, self.c4, self.c5]

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        c3 = self.c3(images)
        c4 = self.c4(c3)
        return c3, c4, self.c5(c4)
