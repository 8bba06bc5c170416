import numpy as np
import torch

from cris.model.output import ModelOutput
from tests.fixtures.small import random_tokens, small_cris


def test_only_answers_that_there_are_have_a_name_and_are_changed() -> None:
    assert ModelOutput(logits=2).named() == {"logits": 2}
    assert ModelOutput(logits=2, presence=1).named() == {"logits": 2, "presence": 1}
    assert ModelOutput(logits=2).map(lambda answer: 3 * answer) == ModelOutput(logits=6)
    assert ModelOutput(logits=None).map(lambda answer: 3 * answer) == ModelOutput(logits=None)


def test_a_model_answers_alike_when_it_is_called_and_when_it_segments() -> None:
    model, images = small_cris(), torch.randn(2, 3, 64, 64)
    tokens, index = random_tokens([3, 5, 2], 12), torch.tensor([1, 0, 1])
    output = model.segment(model.encode_image(images), model.encode_text(tokens), index)
    assert isinstance(output, ModelOutput)
    np.testing.assert_array_equal(output.logits.detach(), model(images, tokens, index).logits.detach())
