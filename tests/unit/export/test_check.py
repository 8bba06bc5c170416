from dataclasses import replace

import numpy as np
import pytest

from cris.config_file import StoredConfig
from cris.demo.photographs import photographs
from cris.engines.torch_engine import TorchEngine
from cris.export.calibration import calibration_data
from cris.export.check import BATCHES, LIMITS, check, differences, plain_outputs
from cris.export.samples import (
    CROPS,
    as_samples,
    calibration_samples,
    noise_samples,
    packaged_crops,
    packaged_pairs,
)
from cris.image import read_image
from cris.letterbox import Letterbox, normalise
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from tests.fixtures.small import SMALL, small_cris

CONFIG = StoredConfig(model=SMALL, inference=InferenceConfig(input_size=64, sentence_length=12))


def test_an_engine_of_the_same_model_does_not_differ():
    samples = noise_samples(3, CONFIG)
    expected = plain_outputs(small_cris(), samples)
    found = differences(TorchEngine(small_cris(), "cpu"), samples, expected)
    assert found.keys() == set(BATCHES)
    assert max(found.values()) < 1e-5


def test_another_model_differs():
    samples = noise_samples(3, CONFIG)
    expected = plain_outputs(small_cris(), samples)
    found = differences(TorchEngine(small_cris(seed=1), "cpu"), samples, expected)
    assert min(found.values()) > 0.1


@pytest.mark.parametrize("precision", LIMITS)
@pytest.mark.parametrize("share", [1.01, float("nan")])
def test_what_differs_too_much_is_refused(precision, share):
    check({1: 0.0, 3: LIMITS[precision]}, precision)
    with pytest.raises(ValueError, match="at batch 3"):
        check({1: 0.0, 3: share * LIMITS[precision]}, precision)


def test_noise_is_the_same_each_time_and_differs_between_samples():
    one, again = noise_samples(2, CONFIG), noise_samples(2, CONFIG)
    np.testing.assert_array_equal(one[0].image, again[0].image)
    np.testing.assert_array_equal(one[1].tokens, again[1].tokens)
    assert (one[0].tokens != one[1].tokens).any()
    assert all((sample.tokens == SMALL.text.vocabulary - 1).sum() == 1 for sample in one)


def test_packaged_photographs_are_read_with_each_of_their_sentences():
    pairs = list(packaged_pairs())
    assert [sentence for _, sentence in pairs] == [
        each.sentence for photograph in photographs() for each in photograph.asked
    ]
    for (image, _), samples in zip(pairs, as_samples(pairs, CONFIG, Tokenizer()), strict=True):
        assert image.shape[2] == 3
        assert min(image.shape[:2]) > 100
        assert samples.image.shape == (1, 3, 64, 64)


def test_crops_are_parts_of_the_photographs_and_the_same_each_time():
    crops, again = list(packaged_crops()), list(packaged_crops())
    assert len(crops) == CROPS * len(photographs())
    for place, ((crop, _), (other, _)) in enumerate(zip(crops, again, strict=True)):
        np.testing.assert_array_equal(crop, other)
        whole = read_image(photographs()[place // CROPS].path)
        assert all(
            0.39 < part / side <= 1 for part, side in zip(crop.shape[:2], whole.shape[:2], strict=True)
        )


def test_crops_widen_calibration_and_are_not_compared():
    samples = calibration_samples("photographs", 200, CONFIG, Tokenizer())
    wholes = [sample for sample in samples if not sample.is_crop]
    assert len(wholes) == len(list(packaged_pairs()))
    assert len(samples) == len(wholes) + CROPS * len(photographs())
    assert len(calibration_samples("photographs", 5, CONFIG, Tokenizer())) == 5
    one, other = noise_samples(2, CONFIG)
    data = calibration_data(small_cris(SMALL).eval(), CONFIG, [one, replace(other, is_crop=True)])
    assert len(data.images) == len(data.sentences) == 2
    assert len(data.samples) == len(data.masks) == 1


def test_samples_are_what_a_segmenter_reads():
    tokenizer = Tokenizer()
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    (sample,) = as_samples([(image, "left dog")], CONFIG, tokenizer)
    np.testing.assert_array_equal(sample.image[0], normalise(Letterbox(40, 60, 64).apply(image)))
    np.testing.assert_array_equal(sample.tokens, tokenizer.encode(["left dog"], 12))
