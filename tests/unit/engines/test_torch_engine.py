import numpy as np
import torch

from cris.engines import torch_engine
from cris.engines.torch_engine import TorchEngine
from tests.fixtures.small import random_tokens, small_cris

TOKENS = random_tokens([3, 5, 2], 12).numpy()
IMAGES = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
INDEX = np.array([1, 0, 1])


def spied(engine: TorchEngine) -> list[int]:
    """The numbers of sentences that the engine's text encoder is given from now on."""
    calls: list[int] = []
    encode_text = engine.model.encode_text
    engine.model.encode_text = lambda tokens: (calls.append(len(tokens)), encode_text(tokens))[1]  # type: ignore
    return calls


def test_an_engine_answers_as_its_model():
    engine = TorchEngine(small_cris(), "cpu")
    with torch.inference_mode():
        expected = small_cris()(*map(torch.from_numpy, (IMAGES, TOKENS, INDEX))).logits.numpy()
    answer = engine.segment(engine.encode_image(IMAGES), TOKENS, INDEX)
    np.testing.assert_allclose(answer.logits, expected, rtol=1e-4, atol=1e-5)


def test_a_fixed_model_encodes_a_sentence_once():
    engine, plain = TorchEngine(small_cris(), "cpu", is_fixed=True), TorchEngine(small_cris(), "cpu")
    calls = spied(engine)
    images = engine.encode_image(IMAGES)
    expected = plain.segment(plain.encode_image(IMAGES), TOKENS, INDEX).logits
    for _ in range(2):
        answer = engine.segment(images, TOKENS, INDEX).logits
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)
    engine.segment(images, TOKENS[::-1].copy(), INDEX)
    engine.segment(images, np.concatenate([TOKENS[:1]] * 3), INDEX)
    assert calls == [3]


def test_sentences_that_were_not_asked_lately_are_forgotten(monkeypatch):
    monkeypatch.setattr(torch_engine, "REMEMBERED_SENTENCES", 2)
    engine = TorchEngine(small_cris(), "cpu", is_fixed=True)
    calls, images = spied(engine), engine.encode_image(IMAGES)
    for row in (0, 1, 0, 2, 0, 1):
        engine.segment(images, TOKENS[row : row + 1], INDEX[:1])
    assert calls == [1, 1, 1, 1]  # 0, 1, 2, and 1 again; 0 stayed
    assert len(engine._remembered) == 2


def test_a_model_in_training_is_asked_as_it_is_now():
    model = small_cris()
    engine = TorchEngine(model, "cpu")
    before = engine.segment(engine.encode_image(IMAGES), TOKENS, INDEX).logits
    with torch.no_grad():
        model.text_encoder.projection.mul_(2)
    after = engine.segment(engine.encode_image(IMAGES), TOKENS, INDEX).logits
    assert np.abs(after - before).max() > 1e-3


def test_features_of_one_image_do_not_keep_its_batch():
    (one, _) = TorchEngine(small_cris(), "cpu").encode_image(IMAGES)
    assert all(part.untyped_storage().nbytes() == part.nbytes for part in one)
