from dataclasses import replace

import numpy as np
import pytest

from cris.agreement import CHANGES, Change, apply, check_agreement, overlap, overlap_undone, rephrase, shorten
from cris.letterbox import Letterbox
from cris.model.output import ModelOutput
from cris.prediction import Prediction


class Brightness:
    """Answers every sentence but those with "nothing" by how bright the image is; counts the questions."""

    def __init__(self, size: int = 64, protocol: str = "default") -> None:
        self.size, self.protocol, self.asked = size, protocol, []

    def predict_batch(self, images, sentences):
        self.asked += [(image.shape, told) for image, told in zip(images, sentences, strict=True)]
        return [
            [self.predict(image, one) for one in told] for image, told in zip(images, sentences, strict=True)
        ]

    def predict(self, image, sentence):
        letterbox = Letterbox(*image.shape[:2], self.size, self.protocol)
        cells = letterbox.apply(image).reshape(self.size // 4, 4, self.size // 4, 4, 3).mean(axis=(1, 3, 4))
        logits = np.float32(0.2) * (cells.astype(np.float32) - 100)
        if "nothing" in sentence:
            logits = logits - 100
        return Prediction.from_output(
            ModelOutput(logits[None]), sentence=sentence, image=image, letterbox=letterbox, threshold=0.5
        )


def agreement(prediction: Prediction) -> float:
    assert prediction.check is not None
    return prediction.check.agreement


def spot(height: int = 60, width: int = 64) -> np.ndarray:
    image = np.full((height, width, 3), 20, dtype=np.uint8)
    image[2 * height // 5 : 3 * height // 5, 2 * width // 5 : 3 * width // 5] = 250
    return image


def test_an_answer_that_goes_along_with_every_change_agrees() -> None:
    (checked,) = check_agreement(Brightness(), [Brightness().predict(spot(), "the spot")])
    assert agreement(checked) > 0.85
    assert checked.sentence == "the spot"


def test_an_answer_that_hangs_on_the_position_does_not_agree() -> None:
    class Fixed(Brightness):
        def predict(self, image, sentence):
            random = np.random.default_rng(int(image.sum()) % 1000)
            logits = np.full((16, 16), -8, dtype=np.float32)
            logits[random.integers(16)] = 8
            return replace(super().predict(image, sentence), grid=1 / (1 + np.exp(-logits)))

    (checked,) = check_agreement(Fixed(), [Fixed().predict(spot(), "the spot")])
    assert agreement(checked) < 0.5


def test_an_answer_that_hangs_on_the_article_agrees_less() -> None:
    class Picky(Brightness):
        def predict(self, image, sentence):
            return replace(super().predict(image, sentence if "the" in sentence else "nothing"))

    plain, picky = (
        check_agreement(model, [model.predict(spot(), "the spot")])[0] for model in (Brightness(), Picky())
    )
    assert agreement(picky) == pytest.approx(agreement(plain) - 1 / 6, abs=0.01)


def test_narrowing_counts_the_words_that_the_answer_hangs_on() -> None:
    class Literal(Brightness):
        def predict(self, image, sentence):
            return replace(super().predict(image, sentence if "left" in sentence else "nothing"))

    model, image = Literal(), spot()
    sentences = ["the left spot", "the left left spot", "left"]
    checked = check_agreement(model, [model.predict(image, sentence) for sentence in sentences])
    lost = [one.check.narrowing for one in checked if one.check is not None]
    assert lost == pytest.approx([1, 0, 0], abs=0.02)


def test_every_wording_is_asked_of_each_prediction_and_none_of_none() -> None:
    model = Brightness()
    predictions = model.predict_batch([spot()], [["the spot", "left spot"]])[0]
    model.asked.clear()
    checked = check_agreement(model, predictions)
    assert [one.sentence for one in checked] == ["the spot", "left spot"]
    assert [told for _, told in model.asked] == [
        ["spot", "the", "the left spot", "spot", "left"],
        *[["the spot", "left spot"]] * len(CHANGES),
    ]
    assert check_agreement(model, []) == []


@pytest.mark.parametrize("protocol", ["default", "released"])
@pytest.mark.parametrize("shape", [(60, 64), (300, 640), (641, 77), (3, 5), (1, 1)])
def test_images_of_any_size_are_checked(shape: tuple[int, int], protocol: str) -> None:
    model = Brightness(protocol=protocol)
    (checked,) = check_agreement(model, [model.predict(spot(*shape), "the spot")])
    assert 0 <= agreement(checked) <= 1
    assert checked.mask.shape == shape


def test_large_images_are_asked_again_at_the_size_the_network_sees() -> None:
    model = Brightness()
    check_agreement(model, [model.predict(spot(600, 1200), "the spot")])
    assert {shape for shape, _ in model.asked} == {(32, 64, 3)}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("the star", "star"),
        ("A star", "star"),
        ("star", "the star"),
        ("the", "the the"),
        (" red  one ", "the red  one"),
    ],
)
def test_the_article_goes_or_comes(sentence: str, expected: str) -> None:
    assert rephrase(sentence) == expected


def test_each_telling_word_is_left_out_once() -> None:
    assert shorten("the red star") == ["the star", "the red"]
    assert shorten("star left of a ring") == [
        "left of a ring",
        "star of a ring",
        "star left a ring",
        "star left of a",
    ]
    assert shorten("star") == []


def test_changes_do_what_they_say() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(apply(Change(), image), image)
    moved = apply(Change(right=0.1, down=-0.1), image)
    np.testing.assert_array_equal(moved[:-4, 5:], image[4:, :-5])
    np.testing.assert_array_equal(apply(Change(brightness=0.5), image * 0 + 100), 50)
    centre = apply(Change(scale=2.0), spot(41, 41))
    assert centre[20, 20, 0] == 250
    assert (centre > 200).sum() > 3 * (spot(41, 41) > 200).sum()


def test_a_change_is_undone_before_answers_are_compared() -> None:
    cells = np.zeros((20, 20), dtype=np.float32)
    cells[8:14, 6:12] = 1
    shifted = np.roll(cells, (4, -2), axis=(0, 1))
    assert overlap_undone(Change(right=-0.1, down=0.2), cells, shifted) == pytest.approx(1, abs=1e-5)
    assert overlap(cells, shifted) < 0.3
    # what has left the image is not held against the answer
    assert (
        overlap_undone(Change(down=0.45), cells, np.roll(cells, 9, 0) * (np.indices((20, 20))[0] >= 9)) > 0.9
    )


def test_overlap_is_one_for_the_same_and_none_for_apart() -> None:
    one = np.eye(4, dtype=np.float32)
    assert overlap(one, one) == 1
    assert overlap(one, one[::-1] * 0 + (1 - one)) < 1e-6
    assert overlap(one * 0, one * 0) == 1
    assert overlap(one, one / 2) == pytest.approx(0.5, abs=1e-6)
