"""The straightforward path that benchmarks compare with, and tests hold the package's own against."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cris.model import Cris
from cris.model.blocks import ConvNormRelu, upsample
from cris.model.neck import with_coordinates


def predict_plainly(model: Cris, images: Tensor, tokens: Tensor) -> Tensor:
    """Return logits as the released code computes them: whole concatenations, a group for each sample."""
    c3, c4, c5 = model.image_encoder(images)
    text = model.encode_text(tokens)
    neck, projector = model.neck, model.projector
    sentence = F.relu(neck.sentence_norm(neck.sentence(text.sentence)))[:, :, None, None]
    f5 = neck.coarse_norm(neck.coarse(c5) * sentence)
    if neck.alignment is not None:
        f5 = f5 + neck.alignment((c5 * text.sentence[:, :, None, None]).sum(dim=1, keepdim=True))
    f5 = F.relu(f5)
    f4 = neck.middle_fusion(torch.cat([neck.middle(c4), upsample(f5)], dim=1))
    f3 = neck.fine_fusion(torch.cat([F.avg_pool2d(neck.fine(c3), 2), f4], dim=1))
    levels = [neck.fine_output(f3), neck.middle_output(f4), upsample(neck.coarse_output(f5))]
    fused = neck.refinement(neck.coordinates(with_coordinates(neck.aggregation(torch.cat(levels, dim=1)))))
    assert model.decoder is not None
    assert projector.pixels is not None
    assert projector.text is not None
    decoded = model.decoder(fused, text.words, text.is_padding)
    pixels = upsample(ConvNormRelu.forward(projector.first, upsample(decoded)))
    pixels = projector.pixels(ConvNormRelu.forward(projector.second, pixels))
    kernel_and_bias = projector.text(text.sentence)
    size = projector.kernel_size
    return correlate_by_groups(
        pixels, kernel_and_bias[:, :-1].reshape(len(pixels), -1, size, size), kernel_and_bias[:, -1]
    )


def correlate_by_groups(pixels: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Return the kernels' answers by one convolution with a group for each sample."""
    batch, channels, height, width = pixels.shape
    grouped = pixels.reshape(1, batch * channels, height, width)
    answer = F.conv2d(grouped, kernel, bias, padding=kernel.shape[-1] // 2, groups=batch)
    return answer.transpose(0, 1)
