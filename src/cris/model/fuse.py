"""Fusing of layers for inference: the same answers within rounding, in less time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cris.model.blocks import frozen, fuse_norms
from cris.model.cris import Cris
from cris.model.projector import Projector, add_shifted


def fuse(model: Cris) -> Cris:
    """Turn the model, in place, into one that only predicts; it cannot be trained or saved afterwards.

    BatchNorm is folded into the convolutions, and the projector's 1x1 convolution into the kernel made from
    the sentence; dropout is taken out, and weights are laid out in memory as they are read. Logits agree with
    the plain model's within rounding (1e-5 relative in float32).
    """
    model.eval().requires_grad_(False)
    for module in [*model.modules()]:
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, nn.Identity())
    model.image_encoder.fuse()
    fuse_norms(model)
    model.projector = FusedProjector(model.projector)  # type: ignore[assignment]
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for block in (model.projector.first, model.projector.second):
        # in memory as the product in `upsample_conv` reads it, so that it need not be copied each time
        block.conv.weight = frozen(block.conv.weight.permute(2, 1, 3, 0).contiguous().permute(3, 1, 0, 2))
    return model


def to_bfloat16(model: Cris) -> Cris:
    """Convert a fused model, in place, to bfloat16: two decimal digits of precision, half the memory."""
    for tensor in model.parameters():
        tensor.data = tensor.data.to(torch.bfloat16)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point() and not name.endswith("frequencies"):  # of positions up to hundreds
            buffer.data = buffer.data.to(torch.bfloat16)
    return model


class FusedProjector(nn.Module):
    """Projector with its 1x1 convolution folded into the kernel that it makes from the sentence."""

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.first = projector.first
        self.second = projector.second
        self.kernel_size = projector.kernel_size
        self.text = None if projector.text is None else _fold_pixels(projector)
        self.pixels = projector.pixels if projector.text is None else None

    def forward(
        self, decoded: Float[Tensor, "batch channels h16 w16"], sentence: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch 1 h4 w4"]:
        pixels: Tensor = self.second(self.first(decoded))
        if self.text is None:
            assert self.pixels is not None
            scores: Tensor = self.pixels(pixels)
            return scores
        channels, height, width = pixels.shape[1:]
        taps = self.kernel_size**2
        kernel, tap_bias, bias = self.text(sentence).split([channels * taps, taps, 1], dim=1)
        maps: Tensor = pixels.flatten(2).mT @ kernel.reshape(-1, channels, taps) + tap_bias[:, None]
        logits: Tensor = add_shifted(maps.mT.reshape(-1, taps, height, width)) + bias[:, :, None, None]
        return logits


def _fold_pixels(projector: Projector) -> nn.Linear:
    """Return the linear map from a sentence to the folded kernel, the tap biases and the bias.

    The kernel is over the channels before the 1x1 convolution; the tap biases are what that convolution's
    bias adds to each tap. It counts only where a tap falls inside the image, so each tap has its own.
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
    text.weight, text.bias = frozen(rows[:, :-1].contiguous()), frozen(rows[:, -1].contiguous())
    return text
