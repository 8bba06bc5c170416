"""What an export in int8 leaves in float32."""

import re
from itertools import pairwise

import pytest

from cris.export.quantize import quantization_steps
from tests.fixtures.small import KINDS, Pyramid, small_cris

CONFIGS = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)


@CONFIGS
def test_steps_leave_ever_more_of_the_image_graph_in_float32(config):
    encoder = small_cris(config).image_encoder
    kept = [step.picture for step in quantization_steps(encoder)]
    for one, other in pairwise(kept):
        assert set(one) <= set(other)
    assert len(kept[0]) == 1
    assert len(kept[-1]) == len(encoder.float32_order) + 2  # the last part comes with the neck's two patterns


@CONFIGS
def test_a_pattern_names_one_part_and_what_is_in_it(config):
    encoder = small_cris(config).image_encoder
    names = [f"model.image_encoder.{name}/node_conv2d" for name, _ in encoder.named_modules()]
    patterns = quantization_steps(encoder)[-1].picture[: len(encoder.float32_order)]
    for part, pattern in zip(encoder.float32_order, patterns, strict=True):
        found = [name for name in names if re.fullmatch(pattern, name)]
        assert found == [name for name in names if re.match(rf"model\.image_encoder\.{part}[./]", name)]
        assert found


def test_an_encoder_that_names_no_parts_is_in_eight_bits_until_the_neck_is_not():
    kept = [step.picture for step in quantization_steps(Pyramid(64))]
    assert kept[:3] == [(), (), ()]
    assert len(kept) == 4
    assert any("neck" in pattern for pattern in kept[3])
