"""What holds of every picture, sentence and way to ask."""

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
pictures = st.tuples(st.integers(1, 90), st.integers(1, 90), st.integers(0, 99)).map(
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
@given(segmenters, st.lists(st.tuples(pictures, sentences), min_size=1, max_size=5))
def test_a_batch_equals_its_singles(segmenter, pairs):
    batch = segmenter.predict_batch([picture for picture, _ in pairs], [sentence for _, sentence in pairs])
    for answer, (picture, sentence) in zip(batch, pairs, strict=True):
        assert_same(answer, segmenter.predict(picture, sentence))


@settings(max_examples=15)
@given(segmenters, pictures, st.lists(sentences, max_size=6))
def test_many_sentences_on_one_picture_equal_separate_calls(segmenter, picture, asked):
    together = segmenter.predict(picture, asked)
    assert len(together) == len(asked)
    for answer, sentence in zip(together, asked, strict=True):
        assert_same(answer, segmenter.predict(picture, sentence))


@settings(max_examples=15)
@given(segmenters, pictures, st.lists(sentences, min_size=1, max_size=4))
def test_an_encoded_picture_answers_like_the_picture(segmenter, picture, asked):
    encoded = segmenter.encode(picture)
    for answer, sentence in zip(encoded.predict(asked), asked, strict=True):
        assert_same(answer, segmenter.predict(picture, sentence))
        assert_same(encoded.predict(sentence), answer)


@settings(max_examples=15)
@given(segmenters, pictures, sentences)
def test_every_answer_is_well_formed(segmenter, picture, sentence):
    prediction = segmenter.predict(picture, sentence)
    assert prediction.mask.shape == prediction.probability.shape == picture.shape[:2]
    assert 0 <= prediction.probability.min() <= prediction.probability.max() <= 1
    assert 0 <= prediction.score <= 1
    assert (prediction.box is None) == (not prediction.mask.any())
    assert prediction.overlay().size == picture.shape[1::-1]
