"""The moving average of the weights."""

import torch

from cris.training.ema import MovingAverage
from tests.fixtures.small import Pyramid, small_cris


def moved(model):
    """The model after a step that changed all of it."""
    other = small_cris(seed=1)
    other.neck.sentence_norm.num_batches_tracked.fill_(7)
    model.load_state_dict(other.state_dict())


def test_the_average_moves_a_share_of_the_way_and_counters_follow():
    model = small_cris()
    average = MovingAverage(model, decay=0.75)
    before = model.neck.sentence.weight.clone()
    moved(model)
    average.update(step=1000)
    expected = 0.75 * before + 0.25 * model.neck.sentence.weight
    torch.testing.assert_close(average.current().neck.sentence.weight, expected.detach())
    assert int(average.current().neck.sentence_norm.num_batches_tracked) == 7


def test_the_beginning_is_soon_forgotten():
    model = small_cris()
    average = MovingAverage(model, decay=0.999)
    before = model.neck.sentence.weight.clone()
    moved(model)
    average.update(step=0)
    expected = 0.1 * before + 0.9 * model.neck.sentence.weight
    torch.testing.assert_close(average.current().neck.sentence.weight, expected.detach())


def test_without_memory_it_is_the_model_and_nothing_is_kept():
    model = small_cris()
    average = MovingAverage(model, decay=0.0)
    moved(model)
    average.update(step=3)
    assert average.current().neck.sentence.weight.equal(model.neck.sentence.weight)
    assert average.state_dict() == {}


def test_a_model_with_an_image_encoder_from_outside_has_an_average_beside_it():
    model = small_cris(image_encoder=Pyramid)
    average = MovingAverage(model, decay=0.5)
    before = model.image_encoder.c5.weight.detach().clone()
    with torch.no_grad():
        model.image_encoder.c5.weight.add_(1.0)
    average.update(step=1000)
    torch.testing.assert_close(average.current().image_encoder.c5.weight, before + 0.5)
