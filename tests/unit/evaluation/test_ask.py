from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pytest
import torch

from cris import Segmenter
from cris.data.dataset import AnnotatedImage, AnnotatedObject, Reference
from cris.data.open import open_dataset
from cris.data.rendered import SceneDataset
from cris.data.scenes import SceneKnobs, Scenes
from cris.data.subset import first
from cris.evaluation.ask import measure
from cris.evaluation.results import Evaluation
from cris.letterbox import ceiling
from cris.masks import Rle, decode_rle, encode_rle
from cris.model.config import InferenceConfig
from cris.training.recipes import scenes_tokenizer
from tests.fixtures.small import SMALL, small_cris

INFERENCE = InferenceConfig(input_size=64, sentence_length=24, threshold=0.5)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    tokenizer = scenes_tokenizer()
    config = replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size))
    return Segmenter(small_cris(config), tokenizer, INFERENCE, "cpu", batch_size=3)


def images_of(split: str, limit: int) -> Iterator[AnnotatedImage]:
    return open_dataset("scenes", split, limit).images()


def several_expressions(count: int) -> Iterator[AnnotatedImage]:
    scenes = Scenes("val")
    for index in range(count):
        scene = scenes.scene(index, expressions=1 + index % 3)
        truths = [
            Reference(sample=0, ref_id=0, sentence=one.sentence, kind=one.kind, targets=one.targets)
            for one in scene.expressions
        ]
        yield AnnotatedImage(
            name=str(index),
            picture_id=index,
            image=scene.image,
            objects=tuple(AnnotatedObject(category=each.category, mask=each.mask) for each in scene.objects),
            references=tuple(truths),
        )


def test_rows_are_those_of_single_predictions_in_order(segmenter: Segmenter) -> None:
    examples = list(several_expressions(7))
    rows = iter(measure(segmenter, examples))
    for example in examples:
        for truth in example.references:
            row = next(rows)
            prediction, mask = segmenter.predict(example.image, truth.sentence), example.mask(truth.targets)
            assert (row.picture, row.sentence, row.kind) == (example.name, truth.sentence, truth.kind)
            assert row.score == pytest.approx(prediction.score, abs=1e-4)
            assert row.iou == pytest.approx(row.intersection / (row.union + 1e-6))
            # a value at the threshold may fall to either side when batches differ
            assert row.intersection == pytest.approx((prediction.mask & mask).sum(), abs=20)
            assert row.union == pytest.approx((prediction.mask | mask).sum(), abs=20)
            assert row.ceiling == ceiling(mask, 64, "default")
            assert (row.height, row.width, row.words) == (160, 160, len(truth.sentence.split()))
    assert next(rows, None) is None


def test_a_row_keeps_the_mask_found_and_what_there_is_to_know(segmenter: Segmenter) -> None:
    for example, row in zip(images_of("val", 6), measure(segmenter, images_of("val", 6)), strict=True):
        (truth,) = example.references
        found, true = decode_rle(row.rle), example.mask(truth.targets)
        assert (row.predicted_area, row.true_area) == (found.sum(), true.sum())
        assert (row.intersection, row.union) == ((found & true).sum(), (found | true).sum())
        (target,) = truth.targets
        category = example.objects[target].category
        assert row.category == category
        alike = [thing for thing in example.objects if thing.category == category and thing.mask.any()]
        assert row.distractors == len(alike) - 1
        others = [thing.mask for place, thing in enumerate(example.objects) if place != target]
        overlaps = [(found & other).sum() / ((found | other).sum() + 1e-6) for other in others]
        assert row.best_other_iou == pytest.approx(max(overlaps, default=0))
        assert row.visible == Scenes("val")[row.sample].visibility
        assert (row.failure is None) == (row.iou >= 0.5)
        assert (row.is_no_target, row.ambiguity) == (False, None)


def test_scenes_that_mean_nothing_or_several_are_measured(segmenter: Segmenter) -> None:
    knobs = SceneKnobs(no_target=0.5, several_targets=0.5)
    examples = first(SceneDataset(Scenes("val", knobs=knobs)), 8).images()
    rows = list(measure(segmenter, examples))
    assert {row.kind for row in rows} == {"no_target", "plural"}
    for row in rows:
        assert row.is_no_target == (row.kind == "no_target") == (row.true_area == 0)
        assert row.visible is None or not row.is_no_target


def test_what_is_asked_for_is_kept_as_ambiguity(segmenter: Segmenter) -> None:
    rows = measure(segmenter, images_of("val", 2), ambiguity=lambda prediction: 1 - prediction.score)
    assert all(row.ambiguity == 1 - row.score for row in rows)


def test_each_image_is_encoded_once(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, sizes = segmenter.engine.model.encode_image, []

    def spy(images: torch.Tensor) -> object:
        sizes.append(len(images))
        return encode(images)

    monkeypatch.setattr(segmenter.engine.model, "encode_image", spy)
    rows = list(measure(segmenter, several_expressions(7)))
    assert len(rows) > 7
    assert sizes == [3, 3, 1]


@dataclass
class Answer:
    mask: np.ndarray
    score: float

    def to_rle(self) -> Rle:
        return encode_rle(self.mask)


class Oracle:
    """Answers with the true mask, or with nothing where the sentence has an even number of letters."""

    batch_size = 4

    def __init__(self, examples: list[AnnotatedImage]) -> None:
        self.masks = {
            truth.sentence: example.mask(truth.targets)
            for example in examples
            for truth in example.references
        }

    def predict_batch(self, images: list[object], sentences: list[list[str]]) -> list[list[Answer]]:
        return [[self.answer(sentence) for sentence in group] for group in sentences]

    def ceiling(self, mask: np.ndarray) -> float:
        return ceiling(mask, 64, "default")

    def answer(self, sentence: str) -> Answer:
        is_right = len(sentence) % 2 == 1
        return Answer(self.masks[sentence] & is_right, 0.6 + 0.4 * is_right)


def test_figures_of_known_answers_come_out() -> None:
    examples = list(images_of("val", 40))
    evaluation = Evaluation(list(measure(Oracle(examples), examples)))  # type: ignore[arg-type]
    right = np.mean([len(truth.sentence) % 2 for example in examples for truth in example.references])
    assert 0 < right < 1
    total = evaluation.total
    assert total["mean_iou"] == pytest.approx(right, abs=1e-6)
    assert total["pr50"] == total["pr90"] == total["t_acc"] == pytest.approx(right)
    assert total["score_auroc"] == 1.0
    assert 0.5 < total["ceiling"] < 1
    assert evaluation.failures == {"missed": round((1 - right) * 40)}


@pytest.mark.parametrize(("limit", "count"), [(None, 1000), (5, 5), (5000, 1000)])
def test_scenes_are_as_many_as_asked_or_there(limit: int | None, count: int) -> None:
    assert len(open_dataset("scenes", "val", limit)) == count


def test_scenes_are_the_standard_samples() -> None:
    for example, sample in zip(images_of("test", 4), islice(Scenes("test"), 4), strict=True):
        (truth,) = example.references
        np.testing.assert_array_equal(example.image, sample.image)
        np.testing.assert_array_equal(example.mask(truth.targets), sample.mask)
        assert (truth.sentence, truth.kind) == (sample.sentence, sample.kind)


@pytest.mark.parametrize(("split", "limit"), [("testA", 5), ("test", 0), ("test", -1)])
def test_unknown_split_and_useless_limit_are_refused(split: str, limit: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        open_dataset("scenes", split, limit)
