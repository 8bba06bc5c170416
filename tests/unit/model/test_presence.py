"""The presence head against its plain formula, and through a segmenter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cris import Segmenter
from cris.data.open import open_dataset
from cris.evaluation.threshold import RELATIVE_CANDIDATES, choose_threshold
from cris.model.config import InferenceConfig
from cris.model.output import ModelOutput
from cris.model.presence import PresenceHead
from cris.model.tokenizer import Tokenizer
from cris.prediction import Prediction
from tests.fixtures.small import SMALL, random_tokens, small_cris

HEADS = 3


def plainly(head: PresenceHead, pixels: np.ndarray, sentence: np.ndarray) -> float:
    """Score one sentence: pixels (count, channels) attended to, head by head."""

    def linear(layer: torch.nn.Linear, values: np.ndarray) -> np.ndarray:
        return values @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()

    spread = pixels.std(axis=1, keepdims=True)
    normed = (pixels - pixels.mean(axis=1, keepdims=True)) / np.sqrt(spread**2 + head.norm.eps)
    normed = normed * head.norm.weight.detach().numpy() + head.norm.bias.detach().numpy()
    scores, values = linear(head.attention, normed), linear(head.values, normed)
    pooled = []
    for column in scores.T:
        weights = np.exp(column - column.max())
        pooled.append((weights / weights.sum()) @ values)
    hidden = linear(head.hidden, np.concatenate([*pooled, linear(head.sentence, sentence)])).clip(0)
    return float(linear(head.score, hidden)[0])


def test_it_is_the_plain_formula() -> None:
    torch.manual_seed(1)
    head = PresenceHead(HEADS, 12, 20)
    torch.nn.init.normal_(head.norm.weight)
    decoded, sentence = torch.randn(2, 12, 3, 4), torch.randn(2, 20)
    found = head(decoded, sentence)
    assert found.shape == (2,)
    for row in range(2):
        pixels = decoded[row].flatten(1).T.numpy().astype(np.float64)
        assert found[row].item() == pytest.approx(plainly(head, pixels, sentence[row].numpy()), abs=1e-5)


def test_it_has_a_few_thousand_weights_at_the_papers_sizes() -> None:
    assert sum(each.numel() for each in PresenceHead(4, 512, 1024).parameters()) < 25_000


def test_a_model_has_it_only_where_it_is_asked_for() -> None:
    images, tokens = torch.randn(2, 3, 64, 64), random_tokens([3, 5], 12)
    assert small_cris(SMALL)(images, tokens).presence is None
    assert small_cris(replace(SMALL, presence_heads=2))(images, tokens).presence.shape == (2,)


@pytest.fixture
def segmenter() -> Segmenter:
    tokenizer = Tokenizer().reduced(["the dog", "the cat"])
    config = replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size), presence_heads=2)
    return Segmenter(small_cris(config), tokenizer, InferenceConfig(input_size=64, sentence_length=12), "cpu")


def test_a_prediction_tells_presence_and_is_empty_below_the_threshold(segmenter: Segmenter) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    segmenter.inference = replace(segmenter.inference, threshold=0.0)
    found = segmenter.predict(image, "the dog")
    assert found.present is not None
    assert 0 < found.present < 1
    assert found.is_present
    assert found.mask.any()
    segmenter.inference = replace(segmenter.inference, presence_threshold=found.present + 0.01)
    emptied = segmenter.predict(image, "the dog")
    assert emptied.present == found.present
    assert not emptied.is_present
    assert not emptied.mask.any()
    assert not emptied.at_threshold(0.1).mask.any()


def test_relative_thresholds_are_tried_only_where_presence_is_told(segmenter: Segmenter) -> None:
    images = list(open_dataset("scenes", "val", 1).images())
    told = choose_threshold(segmenter, images)
    assert {share for _, share in told.mean_ious} == set(RELATIVE_CANDIDATES)
    config = replace(SMALL, text=replace(SMALL.text, vocabulary=segmenter.tokenizer.vocab_size))
    silent = Segmenter(small_cris(config), segmenter.tokenizer, segmenter.inference, "cpu")
    assert {share for _, share in choose_threshold(silent, images).mean_ious} == {1.0}


def test_presence_that_is_no_number_is_refused(segmenter: Segmenter) -> None:
    whole = segmenter.predict(np.zeros((48, 64, 3), dtype=np.uint8), "the dog")
    output = ModelOutput(np.zeros((1, 16, 16), dtype=np.float32), np.float32("nan"))
    with pytest.raises(ValueError, match="not finite"):
        Prediction.from_output(
            output, sentence="", image=whole.image, letterbox=whole.letterbox, threshold=0.5
        )
