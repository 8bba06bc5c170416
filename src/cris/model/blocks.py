"""Building blocks shared by several parts of the model."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cris.errors import InputError


class ConvNorm(nn.Module):
    """Convolution without bias, then BatchNorm."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel_size: int,
        stride: int = 1,
        *,
        groups: int = 1,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel_size, stride, padding, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(channels_out, eps=eps)

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out h w"]:
        return self.norm(self.conv(x))  # type: ignore[no-any-return]

    def fuse(self) -> None:
        """Scale the convolution, in place, as its BatchNorm would, and give it the shift as its bias."""
        conv, norm = self.conv, self.norm
        if not isinstance(norm, nn.BatchNorm2d):  # fused before
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        dtype = conv.weight.dtype
        conv.weight = frozen((conv.weight.double() * scale[:, None, None, None]).to(dtype))
        conv.bias = frozen(shift.to(dtype))
        self.norm = nn.Identity()  # type: ignore[assignment]


class ConvNormRelu(ConvNorm):
    """Convolution without bias, then BatchNorm and ReLU."""

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out h w"]:
        return self._relu(super().forward(x))

    def partial(
        self, x: Float[Tensor, "batch part height width"], offset: int
    ) -> Float[Tensor, "batch out height width"]:
        """Return what the channels from `offset` on contribute to a 1x1 convolution over a concatenation."""
        return F.conv2d(x, self.conv.weight[:, offset : offset + x.shape[1]])

    def finish(self, total: Float[Tensor, "batch out h w"]) -> Float[Tensor, "batch out h w"]:
        """Normalise and rectify the sum of all parts."""
        if self.conv.bias is not None:  # BatchNorm is fused into it (see `cris.model.fuse`)
            total = total + self.conv.bias[:, None, None]
        return self._relu(self.norm(total))

    def _relu(self, x: Tensor) -> Tensor:
        # in training in place: nothing else needs what BatchNorm gave, and fresh memory costs time
        return F.relu(x, inplace=self.training)


class Attention(nn.Module):
    """Multi-head attention with separate projections of queries, keys and values."""

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        dim_keys: int | None = None,
        dim_out: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise InputError(f"{heads} heads do not divide {dim} channels: choose a divisor of the width")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim_keys or dim, dim)
        self.value = nn.Linear(dim_keys or dim, dim)
        self.output = nn.Linear(dim, dim_out or dim)

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim_keys"],
        value: Float[Tensor, "batch keys dim_keys"],
        *,
        is_padding: Bool[Tensor, "batch keys"] | None = None,
        is_causal: bool = False,
    ) -> Float[Tensor, "batch queries dim_out"]:
        mask = None if is_padding is None else ~is_padding[:, None, None, :]
        attended = F.scaled_dot_product_attention(
            self._split(self.query(query)),
            self._split(self.key(key)),
            self._split(self.value(value)),
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=is_causal,
        )
        return self.output(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        return x.reshape(batch, tokens, self.heads, dim // self.heads).transpose(1, 2)


class SinePositions(nn.Module):
    """Sine and cosine position codes, counted from 0, in one or two dimensions; computed, never stored."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        exponents = torch.arange(0, width, 2, dtype=torch.float32) / width
        self.register_buffer("frequencies", 10000.0**-exponents, persistent=False)

    def forward(self, length: int) -> Float[Tensor, "length width"]:
        """Return the codes of `length` positions: sine on even channels, cosine on odd ones."""
        positions = torch.arange(length, device=self.frequencies.device, dtype=self.frequencies.dtype)
        angles = positions[:, None] * self.frequencies
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)

    def grid(self, height: int, width: int) -> Float[Tensor, "pixels channels"]:
        """Return the codes of a grid, row-major: the first half of the channels codes x, the second y."""
        x = self(width)[None].expand(height, -1, -1)
        y = self(height)[:, None].expand(-1, width, -1)
        return torch.cat([x, y], dim=-1).flatten(0, 1)


def fuse_norms(module: nn.Module) -> None:
    """Fuse, in place, every BatchNorm beside a convolution into it."""
    for each in module.modules():
        if isinstance(each, ConvNorm):
            each.fuse()


def frozen(tensor: Tensor) -> nn.Parameter:
    """Return a parameter that does not learn."""
    return nn.Parameter(tensor.detach(), requires_grad=False)


def upsample(x: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim h2 w2"]:
    """Double height and width, bilinearly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
