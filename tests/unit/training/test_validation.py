"""Looking at a model while it trains: which samples, each once, at which threshold."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from cris.data.stored import StoredSplit
from cris.evaluation.ask import measure
from cris.evaluation.metrics import intersection_and_union, iou
from cris.evaluation.results import Evaluation
from cris.evaluation.threshold import CANDIDATES
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.segmenter import Segmenter
from cris.training.config import ValidationConfig
from cris.training.validation import validate, validation_samples
from tests.fixtures.small import SMALL, small_cris
from tests.fixtures.stored import records, write


@dataclass(frozen=True)
class Rank:
    """What validation asks of a fabric."""

    global_rank: int
    world_size: int


@pytest.fixture
def samples(tmp_path: Path) -> StoredSplit:
    """Six images, three entries each, of which the first has two sentences."""
    write(tmp_path / "data", records(8))
    return StoredSplit(tmp_path / "data", "train")


@pytest.fixture
def segmenter() -> Segmenter:
    tokenizer = Tokenizer().reduced([])
    model = small_cris(replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size)))
    return Segmenter(model, tokenizer, InferenceConfig(input_size=64, sentence_length=24), device="cpu")


def test_of_each_object_the_first_sentence_or_all_are_looked_at(samples: StoredSplit) -> None:
    everything = validation_samples(samples, ValidationConfig(sentences="all"))
    first = validation_samples(samples, ValidationConfig(sentences="first"))
    assert len(everything) == len(samples) == 24
    sentences = [first[place].sentence for place in range(3)]
    assert sentences == ["left dog", "a blue boat", "both dogs"]
    assert len(first) == 18
    assert len(validation_samples(samples, ValidationConfig(samples=5))) == 5


def test_every_sample_counts_once_on_any_number_of_processes(samples, segmenter, monkeypatch) -> None:
    config = ValidationConfig(choose_threshold=False)
    alone = validate(Rank(0, 1), segmenter, samples, config)
    told: list[list[np.ndarray]] = []

    def all_gather(_: Rank, part: list[np.ndarray]) -> list[list[np.ndarray]]:
        told.append(part)
        return told

    monkeypatch.setattr("cris.training.validation.all_gather", all_gather)
    for rank in range(4):
        together = validate(Rank(rank, 4), segmenter, samples, config)
    assert together.summary.count == alone.summary.count == 24
    assert together.summary["mean_iou"] == pytest.approx(alone.summary["mean_iou"], rel=1e-12)
    assert together.summary["overall_iou"] == pytest.approx(alone.summary["overall_iou"], rel=1e-12)


def test_the_threshold_has_the_best_mean_iou_of_those_there_are(samples, segmenter) -> None:
    found = validate(Rank(0, 1), segmenter, samples, ValidationConfig())
    ious = []
    for place in range(len(samples)):
        sample = samples[place]
        probability = segmenter.predict(sample.image, sample.sentence).probability
        ious.append([iou(*intersection_and_union(probability > each, sample.mask)) for each in CANDIDATES])
    means = np.mean(ious, axis=0)
    assert found.summary["mean_iou"] == pytest.approx(max(means), rel=1e-6)
    assert found.threshold == CANDIDATES[int(np.argmax(means))]


def test_a_recipe_may_keep_its_own_threshold(samples, segmenter) -> None:
    assert (
        validate(Rank(0, 1), segmenter, samples, ValidationConfig(choose_threshold=False)).threshold == 0.35
    )


@pytest.mark.parametrize("chooses", [True, False])
def test_its_figures_are_those_of_an_evaluation_at_the_threshold_found(
    samples, segmenter, chooses: bool
) -> None:
    found = validate(Rank(0, 1), segmenter, samples, ValidationConfig(choose_threshold=chooses))
    segmenter.inference = replace(segmenter.inference, threshold=found.threshold)
    assert found.summary == Evaluation(list(measure(segmenter, samples.images()))).total
    for each in found.shown:
        np.testing.assert_array_equal(
            each.found["what is found"], segmenter.predict(each.image, each.sentence).mask
        )


def test_a_peak_threshold_empties_masks_as_an_evaluation_does(samples, segmenter) -> None:
    config = ValidationConfig(choose_threshold=False)
    segmenter.inference = replace(segmenter.inference, threshold=0.4, peak_threshold=0.6)
    found = validate(Rank(0, 1), segmenter, samples, config)
    assert found.summary == Evaluation(list(measure(segmenter, samples.images()))).total


def test_the_first_samples_are_there_to_be_drawn(samples, segmenter) -> None:
    found = validate(Rank(0, 1), segmenter, samples, ValidationConfig())
    assert len(found.shown) == 8
    different = {each.image.tobytes() for each in found.shown}
    assert len(different) == 6  # all there are, each once before any comes again
    assert len({each.image.tobytes() for each in found.shown[:6]}) == 6
    assert [found.shown[0].sentence, found.shown[6].sentence] == ["left dog", "the dog on the left"]
