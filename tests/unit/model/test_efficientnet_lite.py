"""EfficientNet-Lite against its paper's table and TensorFlow's formulas, written apart."""

from math import ceil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cris.letterbox import normalise
from cris.model.config import LITE, EfficientNetLiteConfig
from cris.model.efficientnet_lite import EfficientNetLite, SameConvNorm

BLOCKS = {
    "Lite0": (1, 2, 2, 3, 3, 4, 1),
    "Lite1": (1, 3, 3, 4, 4, 5, 1),
    "Lite2": (1, 3, 3, 4, 4, 5, 1),
}
CHANNELS = {
    "Lite0": (16, 24, 40, 80, 112, 192, 320),
    "Lite1": (16, 24, 40, 80, 112, 192, 320),
    "Lite2": (16, 24, 48, 88, 120, 208, 352),
}
MILLIONS = {"Lite0": 4.7, "Lite1": 5.4, "Lite2": 6.1}
"""Parameters that TensorFlow's repository tells, with the classifier of 1,000 classes."""
KERNELS, STRIDES, EXPANSIONS = (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1), (1, 6, 6, 6, 6, 6, 6)


def random_encoder(config: EfficientNetLiteConfig, joint_dim: int = 64) -> EfficientNetLite:
    """Weights whose features neither vanish nor explode, and statistics that are not the trivial ones."""
    torch.manual_seed(0)
    encoder = EfficientNetLite(config, joint_dim).eval()
    for name, tensor in encoder.state_dict().items():
        if name.endswith("conv.weight"):
            tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5)
        elif name.endswith(("running_var", "norm.weight")):
            tensor.uniform_(0.5, 2)
        elif name.endswith(("running_mean", "norm.bias")):
            tensor.normal_(std=0.3)
    return encoder


def same_convolution(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """TensorFlow's "same": the output has a side of ceil(side / stride), odd padding goes below and right."""
    size = weight.shape[-1]
    sides = []
    for side in (x.shape[3], x.shape[2]):
        total = max((ceil(side / stride) - 1) * stride + size - side, 0)
        sides += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, sides), weight, None, stride, groups=groups)


def conv_norm(state: dict[str, Tensor], name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """Convolution and BatchNorm from its formula."""
    found = same_convolution(x, state[f"{name}.conv.weight"], stride, groups)
    mean, variance, weight, bias = (
        state[f"{name}.norm.{part}"][:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (found - mean) / (variance + 1e-3).sqrt() * weight + bias


def features_plainly(
    state: dict[str, Tensor], inputs: Tensor, blocks: tuple[int, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """C3, C4 and C5 of images from about -1 to 1."""
    x = conv_norm(state, "stem", inputs, stride=2).clamp(0, 6)
    outputs = []
    for stage, count in enumerate(blocks):
        for block in range(count):
            name, stride = f"stages.{stage}.{block}", STRIDES[stage] if block == 0 else 1
            wide = x if EXPANSIONS[stage] == 1 else conv_norm(state, f"{name}.expand", x).clamp(0, 6)
            assert wide.shape[1] == x.shape[1] * EXPANSIONS[stage]
            assert state[f"{name}.depthwise.conv.weight"].shape[1:] == (1, KERNELS[stage], KERNELS[stage])
            filtered = conv_norm(state, f"{name}.depthwise", wide, stride, groups=wide.shape[1]).clamp(0, 6)
            narrow = conv_norm(state, f"{name}.project", filtered)
            x = x + narrow if x.shape == narrow.shape else narrow
        outputs.append(x)
    return outputs[2], outputs[4], conv_norm(state, "head", x).clamp(0, 6)


@pytest.mark.parametrize("name", LITE)
def test_blocks_channels_and_parameters_are_those_published(name: str):
    with torch.device("meta"):
        encoder = EfficientNetLite(LITE[name], joint_dim=1280)
    assert tuple(len(stage) for stage in encoder.stages) == BLOCKS[name]
    assert tuple(stage[-1].project.conv.out_channels for stage in encoder.stages) == CHANNELS[name]
    assert LITE[name].channels == tuple(CHANNELS[name][stage] for stage in (2, 4, 6))
    assert len(encoder.blocks) == sum(BLOCKS[name]) + 2
    classifier = 1280 * 1000 + 1000
    assert (
        round(sum(each.numel() for each in encoder.parameters()) / 1e6 + classifier / 1e6, 1)
        == MILLIONS[name]
    )


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("sides", [(2, 2), (2, 8), (6, 4), (16, 10)])
@torch.no_grad()
def test_padding_is_tensorflows_same_on_even_sides(sides: tuple[int, int], size: int, stride: int):
    block = SameConvNorm(4, 4, size, stride, groups=2, eps=1e-3).eval()
    x = torch.randn(2, 4, *sides)
    expected = same_convolution(x, block.conv.weight, stride, groups=2) / (1 + 1e-3) ** 0.5
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name", LITE)
@torch.no_grad()
def test_the_whole_encoder_equals_its_plain_formulas(name: str):
    # in double precision: relu6 and random weights make much of the last bits of a float
    encoder = random_encoder(LITE[name]).double()
    images = torch.randn(2, 3, 96, 64, dtype=torch.float64)
    inputs = images * encoder.scale + encoder.shift
    expectations = features_plainly(encoder.state_dict(), inputs, BLOCKS[name])
    for found, expected in zip(encoder(images), expectations, strict=True):
        assert 0.1 < expected.std() < 1e3
        assert float((found - expected).norm() / expected.norm()) <= 1e-5


@torch.no_grad()
def test_images_are_scaled_as_tensorflow_trained_it():
    encoder = random_encoder(EfficientNetLiteConfig(width=0.25, depth=0.25))
    levels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    seen: list[Tensor] = []
    encoder.stem.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    encoder(torch.from_numpy(normalise(levels))[None])
    expected = (torch.from_numpy(levels).permute(2, 0, 1)[None].double() - 127) / 128
    torch.testing.assert_close(seen[0].double(), expected, rtol=0, atol=1e-6)


def test_features_are_cut_off_at_six():
    encoder = random_encoder(EfficientNetLiteConfig(width=0.25, depth=0.25))
    encoder.head.norm.bias.data += 4
    with torch.no_grad():
        c5 = encoder(torch.randn(1, 3, 64, 64))[2]
    assert c5.min() >= 0
    assert c5.max() == 6


def test_training_gives_the_features_of_a_plain_pass():
    """Rectifying in place, which only training does, takes nothing away that the gradient needs."""
    encoder = random_encoder(EfficientNetLiteConfig(width=0.25, depth=0.25)).train()
    images = torch.randn(4, 3, 64, 64)
    loss = sum(each.square().mean() for each in encoder(images))
    loss.backward()
    weight = encoder.stages[3][0].depthwise.conv.weight
    step = 1e-2 * weight.grad / weight.grad.norm()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * step
            values.append(sum(each.double().square().mean() for each in encoder(images)))
            weight -= sign * step
    slope = float(values[0] - values[1]) / (2 * 1e-2)
    assert slope == pytest.approx(float(weight.grad.norm()), rel=0.05)
