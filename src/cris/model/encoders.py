"""Interfaces of a model's two encoders: all that the rest of the package asks of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn

from cris.model.blocks import fuse_norms


class ImageEncoder(nn.Module, ABC):
    """Encoder of images into features at strides of 8, 16 and 32 pixels.

    An encoder needs `channels`, `blocks` and `forward`; for all else the defaults are right for plain ones.
    """

    channels: tuple[int, int, int]
    """Channels of C3, C4 and C5."""
    float32_order: Sequence[str] = ()
    """Names of parts that an export in int8 may leave in float32, the most sensitive to rounding first."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """Return all parts from the image on, in order: units to freeze or checkpoint one by one."""

    @property
    def positions(self) -> Sequence[nn.Parameter]:
        """Return the positional embeddings, which may learn at a rate of their own; none by default."""
        return ()

    def fuse(self) -> None:
        """Fuse, in place, what inference needs in one: every `ConvNorm` by default."""
        fuse_norms(self)

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[
        Float[Tensor, "batch c3 h8 w8"], Float[Tensor, "batch c4 h16 w16"], Float[Tensor, "batch dim h32 w32"]
    ]:
        """Return C3, C4 and C5, the last in the joint space; height and width are divisible by 32."""


OwnImageEncoder = ImageEncoder | Callable[[int], ImageEncoder]
"""Image encoder of the caller's, or what makes it from the joint width, which is C5's number of channels."""


class TextEncoder(nn.Module, ABC):
    """Encoder of sentences into word and sentence features."""

    projection: nn.Parameter
    """Projection of sentence features into the joint space."""
    blocks: nn.ModuleList
    """Transformer blocks in order: units to checkpoint one by one."""
    positions: nn.Parameter
    """Positional embedding, which may learn at a rate of its own."""

    def int8_weights(self) -> list[str]:
        """Return the names of the weights that a checkpoint in int8 stores in eight bits, row by row."""
        return [
            f"{name}.weight"
            for name, module in self.named_modules()
            if isinstance(module, nn.Embedding | nn.Linear)
        ]

    @abstractmethod
    def forward(
        self, tokens: Int[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch tokens width"], Float[Tensor, "batch dim"]]:
        """Return word features, and a sentence feature in the joint space.

        Raises:
            ValueError: sentences are longer than the context.
        """
