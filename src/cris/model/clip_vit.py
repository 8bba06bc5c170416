"""CLIP's vision transformer (Radford et al., 2021) with ViTDet's simple feature pyramid (Li et al., 2022)."""

from math import isqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cris.model.blocks import ConvNorm
from cris.model.clip_text import ClipBlock
from cris.model.config import ClipVitConfig
from cris.model.encoders import ImageEncoder

STRIDE = 16
"""Stride of the map that the pyramid is made from, in pixels of the input."""


class PatchEmbedding(nn.Module):
    """Tokens of an image: the class token, then its patches, row-major, with their positions."""

    def __init__(self, config: ClipVitConfig) -> None:
        super().__init__()
        width, tokens = config.width, config.position_grid**2 + 1
        self.class_token = nn.Parameter(torch.randn(width) / width**0.5)
        self.positions = nn.Parameter(torch.randn(tokens, width) / width**0.5)
        self.patches = nn.Conv2d(3, width, config.patch_size, config.patch_size, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch tokens width"]:
        """Return the tokens; the grid of positions is resized (bicubic) to that of the patches."""
        patches: Tensor = self.patches(images)
        side = isqrt(len(self.positions) - 1)
        grid = self.positions[1:].T.reshape(1, -1, side, side)
        grid = F.interpolate(grid, patches.shape[-2:], mode="bicubic", align_corners=False)
        first = (self.class_token + self.positions[0]).expand(patches.shape[0], 1, -1)
        tokens = torch.cat([first, (patches + grid).flatten(2).mT], dim=1)
        return self.norm(tokens)  # type: ignore[no-any-return]


class FeaturePyramid(nn.Module):
    """Three maps from the last layer's patches: enlarged by a transposed convolution, as it is, and halved.

    C5 is the patches in CLIP's joint space, by its own norm and projection, plus a convolution that learns.
    """

    def __init__(self, width: int, joint_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.ConvTranspose2d(width, width // 2, 2, stride=2)
        self.projection = nn.Linear(width, joint_dim, bias=False)
        self.down = ConvNorm(width, joint_dim, 3, stride=2)

    def forward(
        self, tokens: Float[Tensor, "batch tokens width"], grid: tuple[int, int], size: tuple[int, int]
    ) -> tuple[
        Float[Tensor, "batch half h8 w8"],
        Float[Tensor, "batch width h16 w16"],
        Float[Tensor, "batch dim _ _"],
    ]:
        """Return C3, C4 and C5; `grid` has the tokens' height and width, `size` those of C4."""
        c4 = self.norm(tokens[:, 1:]).mT.unflatten(2, grid)
        if grid != size:
            c4 = F.interpolate(c4, size, mode="bilinear", align_corners=False)
        projected = self.projection(F.avg_pool2d(c4, 2).movedim(1, -1)).movedim(-1, 1)
        return self.up(c4), c4, projected + self.down(c4)


class ClipVit(ImageEncoder):
    """Image encoder with features at strides of 8, 16 and 32 pixels; every patch attends to all others.

    Patches of 16 pixels give the map at a stride of 16 as it is. Patches of 32 give one at a stride of 32,
    which is enlarged to twice its sides (bilinear). Sides divisible by 32 need not be divisible by 14: for
    patches of 14 the image is first made smaller, to 14/16 of its sides (bicubic), so that each patch sees 16
    by 16 pixels of it, and the map has its stride of 16, too.
    """

    float32_order = ("stem", "pyramid", "layers")

    def __init__(self, config: ClipVitConfig, joint_dim: int) -> None:
        super().__init__()
        self.channels = (*config.channels[:2], joint_dim)
        self.patch_size, self.patch_stride = config.patch_size, config.patch_stride
        self.stem = PatchEmbedding(config)
        self.layers = nn.ModuleList(
            ClipBlock(config.width, config.heads, is_causal=False) for _ in range(config.layers)
        )
        self.pyramid = FeaturePyramid(config.width, joint_dim)

    @property
    def blocks(self) -> list[nn.Module]:
        """Return all parts from the image on, in order: units to freeze or checkpoint one by one."""
        return [self.stem, *self.layers, self.pyramid]

    @property
    def positions(self) -> list[nn.Parameter]:
        """Return the positional embedding of the class token and the patches."""
        return [self.stem.positions]

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch d3 h8 w8"], Float[Tensor, "batch d4 h16 w16"], Float[Tensor, "batch dim h32 w32"]
    ]:
        """Return C3, C4 and C5; height and width must be divisible by 32."""
        height, width = images.shape[-2:]
        grid = height // self.patch_stride, width // self.patch_stride
        if self.patch_stride != self.patch_size:
            sides = grid[0] * self.patch_size, grid[1] * self.patch_size
            images = F.interpolate(images, sides, mode="bicubic", align_corners=False)
        tokens = self.stem(images)
        for layer in self.layers:
            tokens = layer(tokens)
        c3, c4, c5 = self.pyramid(tokens, grid, (height // STRIDE, width // STRIDE))
        return c3, c4, c5
