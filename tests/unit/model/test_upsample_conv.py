"""Upsampling and convolving at once gives what they give one after the other, and so do its gradients."""

import pytest
import torch
import torch.nn.functional as F

from cris.model.blocks import ConvNormRelu, upsample
from cris.model.upsample_conv import UpsampleConvNormRelu, upsample_conv


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 2), (5, 7), (13, 13)])
def test_answers_and_gradients_equal_those_of_the_two_steps(size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(4, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    found, expected = upsample_conv(x, kernel), F.conv2d(upsample(x), kernel, padding=1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, (x, kernel), upstream),
        torch.autograd.grad(expected, (x, kernel), upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_block_equals_the_plain_one_on_the_upsampled_image_and_counts_the_same_statistics():
    torch.manual_seed(0)
    ours, plain = UpsampleConvNormRelu(6, 4), ConvNormRelu(6, 4, 3)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6, 4, 6)
    torch.testing.assert_close(ours(x), plain(upsample(x)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.norm.running_var, plain.norm.running_var)


def test_answers_are_channels_last_in_memory():
    answer = upsample_conv(torch.randn(2, 3, 4, 4), torch.randn(5, 3, 3, 3))
    assert answer.is_contiguous(memory_format=torch.channels_last)
