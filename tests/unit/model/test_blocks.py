"""Attention, positions and the dynamic kernel against their formulas."""

import math

import pytest
import torch

from benchmarks.straightforward import correlate_by_groups
from cris.model.blocks import Attention, SinePositions
from cris.model.neck import with_coordinates
from cris.model.projector import correlate


def sine_code(position: int, channel: int, width: int) -> float:
    """One value of the positional encoding, from its formula."""
    angle = position * 10000 ** (-(channel - channel % 2) / width)
    return math.sin(angle) if channel % 2 == 0 else math.cos(angle)


def test_positions_follow_the_formula():
    code = SinePositions(16)(9)
    expected = torch.tensor([[sine_code(p, c, 16) for c in range(16)] for p in range(9)])
    torch.testing.assert_close(code, expected, rtol=1e-5, atol=1e-6)


def test_grid_codes_x_then_y_row_by_row():
    positions = SinePositions(8)
    grid = positions.grid(3, 5)
    assert grid.shape == (15, 16)
    torch.testing.assert_close(grid[2 * 5 + 4], torch.cat([positions(5)[4], positions(3)[2]]))


def test_attention_ignores_padding_and_equals_the_softmax_formula():
    torch.manual_seed(0)
    attention = Attention(16, 2)
    x, y = torch.randn(1, 3, 16), torch.randn(1, 5, 16)
    is_padding = torch.tensor([[False, False, True, False, True]])
    answer = attention(x, y, y, is_padding=is_padding)
    query, key, value = attention.query(x), attention.key(y), attention.value(y)
    heads = []
    for part in (slice(0, 8), slice(8, 16)):
        scores = query[..., part] @ key[..., part].mT / 8**0.5
        heads.append(scores.masked_fill(is_padding[:, None], -torch.inf).softmax(-1) @ value[..., part])
    torch.testing.assert_close(answer, attention.output(torch.cat(heads, -1)), rtol=1e-5, atol=1e-6)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="3 heads do not divide 16 channels"):
        Attention(16, 3)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_kernel_by_taps_equals_a_grouped_convolution(size, memory_format):
    torch.manual_seed(0)
    pixels, kernel, bias = torch.randn(3, 8, 7, 5), torch.randn(3, 8, size, size), torch.randn(3)
    # what a tap adds inside the image is what one more channel of ones would give
    tap_bias = torch.randn(3, size, size)
    answer = correlate(pixels.to(memory_format=memory_format), kernel, tap_bias)
    pixels = torch.cat([pixels, torch.ones(3, 1, 7, 5)], dim=1)
    expected = correlate_by_groups(pixels, torch.cat([kernel, tap_bias[:, None]], dim=1), bias)
    torch.testing.assert_close(answer + bias[:, None, None, None], expected, rtol=1e-5, atol=1e-5)


def test_coordinates_run_from_minus_one_to_one_x_first():
    answer = with_coordinates(torch.zeros(1, 2, 3, 5))
    assert answer[0, 2, 0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert answer[0, 3, :, 0].tolist() == [-1, 0, 1]
