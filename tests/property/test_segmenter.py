"""What holds of every image, sentence and way to ask."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.prediction import Prediction
from cris.segmenter import Segmenter
from tests.fixtures.small import SMALL, small_cris

WORDS = ["left", "second", "red", "ring", "the", "dog", "behind", "tree", "!", "naïve", "犬", "<|endoftext|>"]
TOKENIZER = Tokenizer().reduced(WORDS)
CONFIG = dataclasses.replace(SMALL, text=dataclasses.replace(SMALL.text, vocabulary=TOKENIZER.vocab_size))
MODEL = small_cris(CONFIG)

sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
images = st.tuples(st.integers(1, 90), st.integers(1, 90), st.integers(0, 99)).map(
    lambda t: np.random.default_rng(t[2]).integers(0, 256, (t[0], t[1], 3), dtype=np.uint8)
)
segmenters = st.builds(
    lambda protocol, batch_size: Segmenter(
        MODEL,
        TOKENIZER,
        InferenceConfig(input_size=64, sentence_length=32, protocol=protocol),
        "cpu",
        batch_size=batch_size,
    ),
    st.sampled_from(["default", "released"]),
    st.integers(1, 5),
)


def assert_same(one: Prediction, other: Prediction) -> None:
    assert one.sentence == other.sentence
    for ours, theirs in ((one.grid, other.grid), (one.probability, other.probability)):
        assert np.linalg.norm(ours - theirs) <= 1e-5 * np.linalg.norm(theirs)


@settings(max_examples=15)
@given(segmenters, st.lists(st.tuples(images, sentences), min_size=1, max_size=5))
def test_a_batch_equals_its_singles(segmenter, pairs):
    batch = segmenter.predict_batch([image for image, _ in pairs], [sentence for _, sentence in pairs])
    for answer, (image, sentence) in zip(batch, pairs, strict=True):
        assert_same(answer, segmenter.predict(image, sentence))


@settings(max_examples=15)
@given(segmenters, images, st.lists(sentences, max_size=6))
def test_many_sentences_on_one_image_equal_separate_calls(segmenter, image, asked):
    together = segmenter.predict(image, asked)
    assert len(together) == len(asked)
    for answer, sentence in zip(together, asked, strict=True):
        assert_same(answer, segmenter.predict(image, sentence))


@settings(max_examples=15)
@given(segmenters, images, st.lists(sentences, min_size=1, max_size=4))
def test_an_encoded_image_answers_like_the_image(segmenter, image, asked):
    encoded = segmenter.encode(image)
    for answer, sentence in zip(encoded.predict(asked), asked, strict=True):
        assert_same(answer, segmenter.predict(image, sentence))
        assert_same(encoded.predict(sentence), answer)


@settings(max_examples=15)
@given(segmenters, images, sentences)
def test_every_answer_is_well_formed(segmenter, image, sentence):
    prediction = segmenter.predict(image, sentence)
    assert prediction.mask.shape == prediction.probability.shape == image.shape[:2]
    assert 0 <= prediction.probability.min() <= prediction.probability.max() <= 1
    assert 0 <= prediction.score <= 1
    assert (prediction.box is None) == (not prediction.mask.any())
    assert prediction.overlay().size == image.shape[1::-1]
