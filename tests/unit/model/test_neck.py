"""The neck: with and without the alignment of sentence and C5."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cris.model.blocks import ConvNormRelu, upsample
from cris.model.config import NeckConfig
from cris.model.neck import CrossModalNeck, with_coordinates
from tests.fixtures.small import SMALL, small_cris

DIM = SMALL.joint_dim


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """C3, C4, C5 and a sentence for each of two images."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 64, 8, 12), (2, 128, 4, 6), (2, DIM, 2, 3), (2, DIM)]
    c3, c4, c5, sentence = (torch.randn(shape, generator=generator) for shape in shapes)
    return c3, c4, c5, sentence


def neck_of(*, alignment: bool) -> CrossModalNeck:
    """With statistics that are not the trivial ones."""
    model = small_cris(replace(SMALL, neck=NeckConfig(fine=32, middle=64, coarse=128, alignment=alignment)))
    return model.neck


def after_coarse(neck: CrossModalNeck, f5: Tensor, c3: Tensor, c4: Tensor) -> Tensor:
    """The neck from F5 on, as it was before alignment."""
    middle = neck.middle_fusion.partial(neck.middle(c4), offset=0)
    fine = neck.fine_fusion.partial(F.avg_pool2d(neck.fine(c3), 2), offset=0)
    f4 = neck.middle_fusion.finish(middle + upsample(neck.middle_fusion.partial(f5, offset=64)))
    f3 = neck.fine_fusion.finish(fine + neck.fine_fusion.partial(f4, offset=32))
    aggregation: ConvNormRelu = neck.aggregation
    fused = aggregation.finish(
        aggregation.partial(neck.fine_output(f3), offset=0)
        + aggregation.partial(neck.middle_output(f4), offset=64)
        + upsample(aggregation.partial(neck.coarse_output(f5), offset=128))
    )
    return neck.refinement(neck.coordinates(with_coordinates(fused)))


@torch.no_grad()
def test_without_alignment_the_answer_is_the_same_to_the_last_bit():
    neck, (c3, c4, c5, sentence) = neck_of(alignment=False), inputs()
    assert not [name for name in neck.state_dict() if "alignment" in name]
    text = F.relu(neck.sentence_norm(neck.sentence(sentence)))
    f5 = F.relu(neck.coarse_norm(neck.coarse(c5) * text[:, :, None, None]))
    features = neck.encode_image(c3, c4, c5)
    assert features.coarse.equal(neck.coarse(c5))
    assert neck(features, sentence).equal(after_coarse(neck, f5, c3, c4))


@torch.no_grad()
def test_alignment_adds_the_product_of_sentence_and_c5_to_every_cell():
    neck, (c3, c4, c5, sentence) = neck_of(alignment=True), inputs()
    text = F.relu(neck.sentence_norm(neck.sentence(sentence)))
    before = neck.coarse_norm(neck.coarse(c5) * text[:, :, None, None])
    weight, norm = neck.alignment.conv.weight[:, 0, 0, 0], neck.alignment.norm
    f5 = torch.empty_like(before)
    for image in range(2):
        for row in range(2):
            for column in range(3):
                product = sum(c5[image, k, row, column] * sentence[image, k] for k in range(DIM))
                scaled = (product * weight - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
                added = scaled * norm.weight + norm.bias
                f5[image, :, row, column] = F.relu(before[image, :, row, column] + added)
    expected = after_coarse(neck, f5, c3, c4)
    found = neck(neck.encode_image(c3, c4, c5), sentence)
    assert float((found - expected).norm() / expected.norm()) <= 1e-5


@torch.no_grad()
def test_an_alignment_that_weighs_nothing_changes_nothing():
    plain, aligned = neck_of(alignment=False), neck_of(alignment=True)
    aligned.load_state_dict(plain.state_dict(), strict=False)
    aligned.alignment.norm.weight.zero_()
    aligned.alignment.norm.bias.zero_()
    c3, c4, c5, sentence = inputs()
    found, expected = (each(each.encode_image(c3, c4, c5), sentence) for each in (aligned, plain))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_features_of_an_image_are_chosen_for_each_sentence_with_alignment_too():
    neck, (c3, c4, c5, sentence) = neck_of(alignment=True), inputs()
    features, index = neck.encode_image(c3, c4, c5), torch.tensor([1, 0])
    swapped = neck(features.select(index), sentence)
    expected = neck(neck.encode_image(c3[index], c4[index], c5[index]), sentence)
    torch.testing.assert_close(swapped, expected)
