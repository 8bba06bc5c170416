"""Cross-modal neck (CRIS, section 3.1): the sentence joins at the coarsest level and flows to the finer."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from cris.model.blocks import ConvNorm, ConvNormRelu, upsample
from cris.model.config import NeckConfig


class ImageFeatures(NamedTuple):
    """The neck's features of B images: all that does not depend on a sentence."""

    coarse: Float[Tensor, "batch coarse h32 w32"]
    """C5, projected; with alignment, C5 itself is appended."""
    middle: Float[Tensor, "batch middle h16 w16"]
    """C4's share of the first fusion."""
    fine: Float[Tensor, "batch middle h16 w16"]
    """C3's share of the second fusion."""

    def select(self, index: Int[Tensor, "sentences"]) -> "ImageFeatures":
        """Return one row per sentence: the features of the image it refers to."""
        return ImageFeatures(*(feature.index_select(0, index) for feature in self))


class CrossModalNeck(nn.Module):
    """Fusion of C3, C4, C5 and the sentence into one map at a stride of 16 pixels."""

    def __init__(self, config: NeckConfig, image_channels: tuple[int, int], joint_dim: int) -> None:
        super().__init__()
        c3, c4 = image_channels
        fine, middle, coarse = config.fine, config.middle, config.coarse
        self.lateral_channels = {"middle": middle, "fine": fine}
        self.sentence = nn.Linear(joint_dim, coarse, bias=False)
        self.sentence_norm = nn.BatchNorm1d(coarse)
        self.coarse = ConvNormRelu(joint_dim, coarse, 1)
        self.coarse_norm = nn.BatchNorm2d(coarse)
        self.alignment = ConvNorm(1, coarse, 1) if config.alignment else None
        self.middle = ConvNormRelu(c4, middle, 3)
        self.middle_fusion = ConvNormRelu(middle + coarse, middle, 1)
        self.fine = ConvNormRelu(c3, fine, 3)
        self.fine_fusion = ConvNormRelu(fine + middle, middle, 1)
        self.fine_output = ConvNormRelu(middle, middle, 3)
        self.middle_output = ConvNormRelu(middle, middle, 3)
        self.coarse_output = ConvNormRelu(coarse, middle, 3)
        self.aggregation = ConvNormRelu(3 * middle, middle, 1)
        self.coordinates = ConvNormRelu(middle + 2, middle, 3)
        self.refinement = ConvNormRelu(middle, middle, 3)

    def encode_image(
        self,
        c3: Float[Tensor, "batch c3 h8 w8"],
        c4: Float[Tensor, "batch c4 h16 w16"],
        c5: Float[Tensor, "batch dim h32 w32"],
    ) -> ImageFeatures:
        """Return the part that no sentence changes, computed once per image."""
        coarse = self.coarse(c5)
        return ImageFeatures(
            coarse=coarse if self.alignment is None else torch.cat([coarse, c5], dim=1),
            middle=self.middle_fusion.partial(self.middle(c4), offset=0),
            fine=self.fine_fusion.partial(F.avg_pool2d(self.fine(c3), 2), offset=0),
        )

    def forward(
        self, image: ImageFeatures, sentence: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch middle h16 w16"]:
        """Fuse one sentence with each row of `image`."""
        text = F.relu(self.sentence_norm(self.sentence(sentence)))
        coarse = image.coarse[:, : text.shape[1]]
        f5 = self.coarse_norm(coarse * text[:, :, None, None])
        if self.alignment is not None:
            c5 = image.coarse[:, text.shape[1] :]
            f5 = f5 + self.alignment(torch.einsum("bchw,bc->bhw", c5, sentence)[:, None])
        f5 = F.relu(f5)
        # a 1x1 convolution commutes with bilinear upsampling, and is four times cheaper before it
        f5_share = upsample(self.middle_fusion.partial(f5, offset=self.lateral_channels["middle"]))
        f4 = self.middle_fusion.finish(image.middle + f5_share)
        f4_share = self.fine_fusion.partial(f4, offset=self.lateral_channels["fine"])
        f3 = self.fine_fusion.finish(image.fine + f4_share)
        channels = f4.shape[1]
        fused = self.aggregation.finish(
            self.aggregation.partial(self.fine_output(f3), offset=0)
            + self.aggregation.partial(self.middle_output(f4), offset=channels)
            + upsample(self.aggregation.partial(self.coarse_output(f5), offset=2 * channels))
        )
        return self.refinement(self.coordinates(with_coordinates(fused)))  # type: ignore[no-any-return]


def with_coordinates(x: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim_and_2 h w"]:
    """Append each pixel's x and y, from -1 at the first pixel to 1 at the last."""
    height, width = x.shape[-2:]
    columns = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype)
    rows = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype)
    grid = torch.stack([columns[None].expand(height, -1), rows[:, None].expand(-1, width)])
    return torch.cat([x, grid[None].expand(x.shape[0], -1, -1, -1)], dim=1)
