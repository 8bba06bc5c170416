from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from cris import Segmenter
from cris.data.scenes import vocabulary
from cris.errors import InputError
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.prediction import Prediction
from cris.stream import Smoother
from cris.video.reading import VideoFile
from tests.fixtures.clips import moving_shapes, write_clip
from tests.fixtures.plugin import Proof
from tests.fixtures.small import SMALL_LITE, small_cris

SENTENCES = ["the red circle", "the blue square"]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    tokenizer = Tokenizer().reduced(sorted(vocabulary()))
    text = replace(SMALL_LITE.text, vocabulary=tokenizer.vocab_size)
    model = small_cris(replace(SMALL_LITE, text=text))
    inference = InferenceConfig(input_size=64, sentence_length=16, threshold=0.5)
    return Segmenter(model, tokenizer, inference, "cpu")


def assert_same(one: Prediction, other: Prediction) -> None:
    assert (one.sentence, one.score, one.present, one.box) == (
        other.sentence,
        other.score,
        other.present,
        other.box,
    )
    np.testing.assert_array_equal(one.grid, other.grid)
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_array_equal(one.image, other.image)


def test_a_stream_gives_the_answers_to_each_frame_alone(
    prove: Proof, segmenter: Segmenter, tmp_path: Path
) -> None:
    frames = prove.count(full=300, quick=12)
    video = VideoFile(write_clip(tmp_path / "clip.mp4", frames))
    seen = 0
    for frame, predictions in zip(
        video, segmenter.stream((each.pixels for each in video), SENTENCES), strict=True
    ):
        for one, other in zip(predictions, segmenter.predict(frame.pixels, SENTENCES), strict=True):
            assert_same(one, other)
        seen += 1
    assert seen == frames
    prove.figure("frames of a clip whose stream is exactly the answers to each alone", seen)


def test_one_sentence_gives_one_prediction_a_frame(segmenter: Segmenter) -> None:
    streamed = list(segmenter.stream(moving_shapes(3), SENTENCES[0]))
    for frame, prediction in zip(moving_shapes(3), streamed, strict=True):
        assert_same(prediction, segmenter.predict(frame, SENTENCES[0]))


def test_batches_on_an_accelerator_give_the_same_answers_in_order(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [segmenter.predict(frame, SENTENCES) for frame in moving_shapes(7)]
    monkeypatch.setattr(segmenter, "device", "cuda")  # by name alone
    monkeypatch.setattr(segmenter, "batch_size", 4)
    together = segmenter.stream(moving_shapes(7), SENTENCES)
    for expected, predictions in zip(alone, together, strict=True):
        for one, other in zip(expected, predictions, strict=True):
            np.testing.assert_allclose(one.grid, other.grid, atol=1e-5)
            np.testing.assert_array_equal(one.image, other.image)


def test_frames_are_taken_as_they_are_needed(segmenter: Segmenter) -> None:
    taken = count()

    def endless() -> Iterator[np.ndarray]:
        while True:
            next(taken)
            yield next(moving_shapes(1))

    assert len(list(islice(segmenter.stream(endless(), "the red circle"), 5))) == 5
    assert next(taken) <= 6


def test_smoothing_is_an_exponential_average_of_the_probabilities(segmenter: Segmenter) -> None:
    alone = [segmenter.predict(frame, SENTENCES) for frame in moving_shapes(5)]
    smooth = list(segmenter.stream(moving_shapes(5), SENTENCES, smoothing=0.75))
    for place in range(len(SENTENCES)):
        grid, present = alone[0][place].grid, alone[0][place].present
        for expected, predictions in zip(alone, smooth, strict=True):
            grid = 0.75 * grid + 0.25 * expected[place].grid
            present = 0.75 * present + 0.25 * expected[place].present
            prediction = predictions[place]
            np.testing.assert_allclose(prediction.grid, grid, atol=1e-6)
            assert prediction.present == pytest.approx(present)
            if prediction.is_present:
                threshold = segmenter.inference.threshold
                np.testing.assert_array_equal(
                    prediction.mask, prediction.letterbox.restore(prediction.grid) > threshold
                )


def test_smoothing_begins_anew_at_a_frame_of_another_size(segmenter: Segmenter) -> None:
    frames = [*moving_shapes(2), *moving_shapes(2, height=32)]
    third = list(segmenter.stream(frames, SENTENCES, smoothing=0.5))[2]
    for one, other in zip(third, segmenter.predict(frames[2], SENTENCES), strict=True):
        assert_same(one, other)


def test_smoothing_cuts_masks_at_the_relative_threshold_too(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    relative = replace(segmenter.inference, threshold=0.99, relative_threshold=0.9)
    monkeypatch.setattr(segmenter, "inference", relative)
    frame = next(moving_shapes(1))
    alone = segmenter.predict(frame, SENTENCES)
    (smooth,) = segmenter.stream([frame], SENTENCES, smoothing=0.5)
    assert all(each.mask.any() for each in alone)
    for one, other in zip(smooth, alone, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_must_be_below_one(smoothing: float) -> None:
    with pytest.raises(InputError, match="at least 0 and below 1"):
        Smoother(smoothing, 0.5)


def test_sentences_are_checked_before_the_first_frame(segmenter: Segmenter) -> None:
    with pytest.raises(InputError, match="blank"):
        segmenter.stream(moving_shapes(1), ["the star", " "])
    with pytest.raises(InputError, match=r"got 'clip\.mp4': read a file with .*VideoFile"):
        segmenter.stream("clip.mp4", "the star")
    with pytest.raises(InputError, match="uint8 RGB array"):
        next(segmenter.stream([np.zeros((4, 4))], "the star"))
