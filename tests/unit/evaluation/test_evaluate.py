import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pytest
import torch

from cris import Segmenter
from cris.data.scenes import Scenes, vocabulary
from cris.evaluation.evaluate import Evaluation, evaluate
from cris.evaluation.examples import Example, SceneExamples, Truth
from cris.letterbox import ceiling
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from tests.small import SMALL, small_cris

INFERENCE = InferenceConfig(input_size=64, sentence_length=24, threshold=0.5)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    tokenizer = Tokenizer().reduced(sorted(vocabulary()))
    config = replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size))
    return Segmenter(small_cris(config), tokenizer, INFERENCE, "cpu", batch_size=3)


def several_expressions(count: int) -> Iterator[Example]:
    scenes = Scenes("val")
    for index in range(count):
        scene = scenes.scene(index, expressions=1 + index % 3)
        truths = [
            Truth(sentence=one.sentence, mask=scene.mask(one), kind=one.kind) for one in scene.expressions
        ]
        yield Example(name=str(index), image=scene.image, truths=tuple(truths))


def test_rows_are_those_of_single_predictions_in_order(segmenter: Segmenter) -> None:
    examples = list(several_expressions(7))
    rows = iter(evaluate(segmenter, examples))
    for example in examples:
        for truth in example.truths:
            row = next(rows)
            prediction = segmenter.predict(example.image, truth.sentence)
            assert (row.example, row.sentence, row.kind) == (example.name, truth.sentence, truth.kind)
            assert row.score == pytest.approx(prediction.score, abs=1e-4)
            assert row.iou == pytest.approx(row.intersection / (row.union + 1e-6))
            # a value at the threshold may fall to either side when batches differ
            assert row.intersection == pytest.approx((prediction.mask & truth.mask).sum(), abs=20)
            assert row.union == pytest.approx((prediction.mask | truth.mask).sum(), abs=20)
            assert row.ceiling == ceiling(truth.mask, 64, "default", 0.5)
    assert next(rows, None) is None


def test_each_picture_is_encoded_once(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, pictures = segmenter.model.encode_image, []

    def spy(images: torch.Tensor) -> object:
        pictures.append(len(images))
        return encode(images)

    monkeypatch.setattr(segmenter.model, "encode_image", spy)
    rows = list(evaluate(segmenter, several_expressions(7)))
    assert len(rows) > 7
    assert pictures == [3, 3, 1]


@dataclass
class Answer:
    mask: np.ndarray
    score: float


class Oracle:
    """Answers with the true mask, or with nothing where the sentence has an even number of letters."""

    inference = INFERENCE
    batch_size = 4

    def __init__(self, examples: list[Example]) -> None:
        self.masks = {truth.sentence: truth.mask for example in examples for truth in example.truths}

    def predict_batch(self, pictures: list[object], sentences: list[list[str]]) -> list[list[Answer]]:
        return [[self.answer(sentence) for sentence in group] for group in sentences]

    def answer(self, sentence: str) -> Answer:
        is_right = len(sentence) % 2 == 1
        return Answer(self.masks[sentence] & is_right, 0.6 + 0.4 * is_right)


def test_figures_of_known_answers_come_out() -> None:
    examples = list(SceneExamples("val", 40))
    evaluation = Evaluation(list(evaluate(Oracle(examples), examples)))  # type: ignore[arg-type]
    right = np.mean([len(truth.sentence) % 2 for example in examples for truth in example.truths])
    assert 0 < right < 1
    total = evaluation.total
    assert total.mean_iou == pytest.approx(right, abs=1e-6)
    assert total.pr50 == total.pr90 == pytest.approx(right)
    assert total.score_auroc == 1.0
    assert 0.5 < total.ceiling < 1


def test_kinds_add_up_to_the_total(segmenter: Segmenter) -> None:
    evaluation = Evaluation(list(evaluate(segmenter, several_expressions(9))))
    kinds = evaluation.kinds
    assert list(kinds) == sorted({row.kind for row in evaluation.rows})
    assert sum(kind.count for kind in kinds.values()) == evaluation.total.count
    weighted = sum(kind.count * kind.mean_iou for kind in kinds.values()) / evaluation.total.count
    assert weighted == pytest.approx(evaluation.total.mean_iou)
    content = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert content["kinds"].keys() == kinds.keys()
    assert content["mean_iou"] == evaluation.total.mean_iou
    assert len(evaluation.rows_to_dicts()) == evaluation.total.count


@pytest.mark.parametrize(("limit", "count"), [(None, 1000), (5, 5), (5000, 1000)])
def test_scenes_are_as_many_as_asked_or_there(limit: int | None, count: int) -> None:
    assert len(SceneExamples("val", limit)) == count


def test_scenes_are_the_standard_samples() -> None:
    for example, sample in zip(SceneExamples("test", 4), islice(Scenes("test"), 4), strict=True):
        (truth,) = example.truths
        np.testing.assert_array_equal(example.image, sample.image)
        np.testing.assert_array_equal(truth.mask, sample.mask)
        assert (truth.sentence, truth.kind) == (sample.sentence, sample.kind)


@pytest.mark.parametrize(("split", "limit"), [("testA", 5), ("test", 0), ("test", -1)])
def test_unknown_split_and_useless_limit_are_refused(split: str, limit: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        SceneExamples(split, limit)
