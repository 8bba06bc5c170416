"""One place that prepares a model for inference: the same answers within rounding, in less time."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from cris.model.blocks import ConvNorm, ConvNormRelu
from cris.model.cris import Cris
from cris.model.projector import Projector, add_shifted


def prepare(model: Cris) -> Cris:
    """Turns the model, in place, into one that only predicts; it cannot be trained or saved afterwards.

    BatchNorm is folded into the convolutions, the projector is replaced by one that does its arithmetic at
    the low resolution, and weights are stored channels-last. Logits agree with the plain model's within
    rounding (1e-5 relative in float32).
    """
    model.eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, ConvNorm):
            _fold_norm(module)
    model.projector = FoldedProjector(model.projector)  # type: ignore[assignment]
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def to_bfloat16(model: Cris) -> Cris:
    """Turns a prepared model, in place, to bfloat16: two decimal digits a number, half the memory."""
    for tensor in model.parameters():
        tensor.data = tensor.data.to(torch.bfloat16)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point() and not name.endswith("frequencies"):  # of positions up to hundreds
            buffer.data = buffer.data.to(torch.bfloat16)
    return model


class UpsampledConv(nn.Module):
    """Bilinear doubling, 3x3 convolution, bias and ReLU with a quarter of the multiplications.

    Doubling commutes with mixing channels. So channels are mixed first, at the low resolution, once for each
    of the nine taps; doubling, shifting and adding the nine maps is then one small matrix along the rows and
    one along the columns, borders included.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, block: ConvNormRelu) -> None:
        super().__init__()
        kernel = block.conv.weight.detach()  # out, in, 3 rows, 3 columns
        assert kernel.shape[2:] == (3, 3)
        assert block.conv.bias is not None
        self.register_buffer("weight", kernel.permute(2, 1, 3, 0).flatten(2).contiguous())
        self.register_buffer("bias", block.conv.bias.detach())

    def forward(self, x: Float[Tensor, "batch h w in"]) -> Float[Tensor, "batch h2 w2 out"]:
        batch, height, width, channels = x.shape
        rows = _doubled_taps(height, x).transpose(0, 1).flatten(1)  # columns: (row tap, row)
        columns = _doubled_taps(width, x).permute(1, 2, 0).flatten(1)  # columns: (column, tap)
        mixed = x.reshape(batch, 1, height * width, channels) @ self.weight
        tall = rows @ mixed.reshape(batch, 3 * height, -1)
        wide: Tensor = columns @ tall.reshape(batch, 2 * height, 3 * width, -1)
        return F.relu(wide + self.bias)


class FoldedProjector(nn.Module):
    """The projector with its 1x1 convolution folded into the kernel that it makes from the sentence."""

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.first = UpsampledConv(projector.first)
        self.second = UpsampledConv(projector.second)
        self.kernel_size = projector.kernel_size
        self.text = None if projector.text is None else _fold_pixels(projector)
        self.pixels = projector.pixels if projector.text is None else None

    def forward(
        self, decoded: Float[Tensor, "batch channels h16 w16"], sentence: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch 1 h4 w4"]:
        pixels: Tensor = self.second(self.first(decoded.permute(0, 2, 3, 1)))
        if self.text is None:
            assert self.pixels is not None
            scores: Tensor = self.pixels(pixels.permute(0, 3, 1, 2))
            return scores
        height, width, channels = pixels.shape[1:]
        taps = self.kernel_size**2
        kernel, tap_bias, bias = self.text(sentence).split([channels * taps, taps, 1], dim=1)
        maps: Tensor = pixels.flatten(1, 2) @ kernel.unflatten(1, (channels, taps)) + tap_bias[:, None]
        logits: Tensor = add_shifted(maps.mT.reshape(-1, taps, height, width)) + bias[:, :, None, None]
        return logits


def _fold_norm(block: ConvNorm) -> None:
    """Scales the convolution as its BatchNorm would, and gives it the shift as its bias."""
    conv, norm = block.conv, block.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    dtype = conv.weight.dtype
    conv.weight = _frozen((conv.weight.double() * scale[:, None, None, None]).to(dtype))
    conv.bias = _frozen(shift.to(dtype))
    block.norm = nn.Identity()  # type: ignore[assignment]


def _fold_pixels(projector: Projector) -> nn.Linear:
    """Sentence → kernel over the channels before the 1x1 convolution, what its bias adds to each tap, bias.

    The bias of the convolution counts only where a tap falls inside the picture, so each tap has its own.
    """
    assert projector.text is not None
    convolution = projector.pixels
    assert convolution.bias is not None
    mix = torch.cat([convolution.weight[:, :, 0, 0], convolution.bias[:, None]], dim=1).double()
    linear = projector.text
    rows = torch.cat([linear.weight, linear.bias[:, None]], dim=1).double()  # (out · taps + 1), dim + 1
    taps = projector.kernel_size**2
    folded = torch.einsum("oi,otd->itd", mix, rows[:-1].reshape(len(mix), taps, -1)).flatten(0, 1)
    rows = torch.cat([folded, rows[-1:]]).to(linear.weight.dtype)
    text = nn.Linear(linear.in_features, len(rows))
    text.weight, text.bias = _frozen(rows[:, :-1].contiguous()), _frozen(rows[:, -1].contiguous())
    return text


def _doubled_taps(length: int, like: Tensor) -> Float[Tensor, "3 doubled length"]:
    """For each tap of a kernel of three: its weight matrix from a line to the doubled line, zeros outside."""
    identity = torch.eye(length, device=like.device)
    doubled = F.interpolate(identity[None], scale_factor=2, mode="linear", align_corners=False)[0].T
    padded = F.pad(doubled, (0, 0, 1, 1)).to(like.dtype)
    return torch.stack([padded[tap : tap + 2 * length] for tap in range(3)])


def _frozen(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach(), requires_grad=False)
