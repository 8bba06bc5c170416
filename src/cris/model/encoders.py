"""Interfaces of a model's two encoders."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn


class ImageEncoder(nn.Module, ABC):
    """Encoder of images into features at strides of 8, 16 and 32 pixels."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """Return all parts from the image on, in order: units to freeze or checkpoint one by one."""

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch c3 h8 w8"], Float[Tensor, "batch c4 h16 w16"], Float[Tensor, "batch dim h32 w32"]
    ]:
        """Return C3, C4 and C5, the last in the joint space; height and width are divisible by 32."""


class TextEncoder(nn.Module, ABC):
    """Encoder of sentences into word and sentence features."""

    projection: nn.Parameter
    """Projection of sentence features into the joint space."""
    blocks: nn.ModuleList
    """Transformer blocks in order: units to checkpoint one by one."""

    @abstractmethod
    def forward(
        self, tokens: Int[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch tokens width"], Float[Tensor, "batch dim"]]:
        """Return word features, and a sentence feature in the joint space.

        Raises:
            ValueError: sentences are longer than the context.
        """
