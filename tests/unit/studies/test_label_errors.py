from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cris.data.annotations.selection import read_drop_list
from cris.data.dataset import AnnotatedImage, AnnotatedObject, Reference, SampleIndex
from cris.letterbox import Letterbox
from cris.masks import encode_rle
from cris.model.output import ModelOutput
from cris.prediction import Prediction
from cris.studies.audit_page import make_cards, render
from cris.studies.label_errors import Suspect, judge, precision_at_top, rank
from tests.fixtures.browser import opened

SIDE = 64
LEFT, RIGHT, LOW = (slice(8, 24), slice(8, 24)), (slice(8, 24), slice(40, 56)), (slice(40, 56), slice(8, 24))


def mask(*parts: tuple[slice, slice]) -> np.ndarray:
    lit = np.zeros((SIDE, SIDE), dtype=bool)
    for part in parts:
        lit[part] = True
    return lit


def example(
    targets: tuple[int, ...], objects: tuple[np.ndarray, ...] = (mask(LEFT), mask(RIGHT))
) -> AnnotatedImage:
    truth = Reference(sample=0, ref_id=7, sentence="the <b>star</b>", kind="category", targets=targets)
    return AnnotatedImage(
        name="a.png",
        picture_id=3,
        image=np.zeros((SIDE, SIDE, 3), dtype=np.uint8),
        objects=tuple(
            AnnotatedObject(category=f"thing {place}", mask=each) for place, each in enumerate(objects)
        ),
        references=(truth,),
    )


class Finds:
    """A segmenter that finds the same whatever it is asked."""

    batch_size = 2

    def __init__(self, *parts: tuple[slice, slice], logit: float = 4.0) -> None:
        self.logits = np.full((SIDE, SIDE), -5, dtype=np.float32)
        for part in parts:
            self.logits[part] = logit

    def predict_batch(self, images, sentences):
        return [
            [self.predict(image, one) for one in told] for image, told in zip(images, sentences, strict=True)
        ]

    def predict(self, image, sentence):
        return Prediction.from_output(
            ModelOutput(self.logits[None, 2::4, 2::4].copy()),
            sentence=sentence,
            image=image,
            letterbox=Letterbox(SIDE, SIDE, SIDE),
            threshold=0.5,
        )


def suspect(found: Finds, one: AnnotatedImage) -> Suspect:
    (judged,) = judge(found, [one])
    return judged


def test_what_the_model_finds_is_hardly_suspicious() -> None:
    right = suspect(Finds(LEFT), example((0,)))
    assert right.suspicion < 0.1
    assert (right.prefers, right.preferred) == ("nothing", None)
    assert (right.sample, right.picture, right.picture_id, right.ref_id) == (0, "a.png", 3, 7)


def test_another_object_that_the_model_finds_makes_a_label_suspicious() -> None:
    wrong = suspect(Finds(RIGHT), example((0,)))
    assert wrong.suspicion > 0.9
    assert (wrong.prefers, wrong.preferred) == ("object", 1)


def test_a_model_that_cannot_tell_makes_nothing_certain() -> None:
    unsure = suspect(Finds(LEFT, RIGHT, logit=-1), example((0,)))
    assert 0.4 < unsure.suspicion < 0.6


def test_what_is_found_where_nothing_is_annotated_counts_too() -> None:
    elsewhere = suspect(Finds(LOW), example((0,)))
    assert elsewhere.suspicion > 0.9
    assert (elsewhere.prefers, elsewhere.preferred) == ("elsewhere", None)


def test_the_same_thing_annotated_twice_is_no_rival() -> None:
    twice = example((0,), (mask(LEFT), mask(LEFT)))
    assert suspect(Finds(LEFT), twice).suspicion == 0


def test_a_sentence_said_to_mean_nothing_is_suspicious_when_something_is_found() -> None:
    assert suspect(Finds(RIGHT), example(())).suspicion > 0.8
    assert suspect(Finds(), example(())).suspicion < 0.2


def test_several_targets_are_judged_together() -> None:
    objects = (mask(LEFT), mask(RIGHT), mask(LOW))
    assert suspect(Finds(LEFT, RIGHT), example((0, 1), objects)).suspicion < 0.1
    partly = suspect(Finds(LOW), example((0, 1), objects))
    assert (partly.suspicion > 0.9, partly.preferred) == (True, 2)


def test_the_drop_list_names_sentences_by_reference_and_text() -> None:
    assert suspect(Finds(LEFT), example((0,))).drop_id == "said:7:the <b>star</b>"


def test_ranking_and_precision() -> None:
    base = suspect(Finds(LEFT), example((0,)))
    ranked = rank(
        replace(base, sample=sample, suspicion=suspicion)
        for sample, suspicion in enumerate([0.1, 0.9, 0.3, 0.9, 0.2, 0.8, 0, 0, 0, 0])
    )
    assert [one.sample for one in ranked[:4]] == [1, 3, 5, 2]
    is_wrong = [sample in (1, 5) for sample in range(10)]
    assert precision_at_top(ranked, is_wrong) == 1
    assert precision_at_top(ranked, is_wrong, share=0.3) == pytest.approx(2 / 3)


def test_the_page_shows_both_readings_and_escapes_what_the_data_says() -> None:
    class Sources:
        index = SampleIndex.counted([1])

        def image(self, number: int) -> AnnotatedImage:
            assert number == 0
            return example((0,))

    found = [suspect(Finds(RIGHT), example((0,))), suspect(Finds(LOW), example((0,)))]
    page = render(
        make_cards(found, Sources()), data="<data>", split="train", model="m", count=9, fingerprint="f"
    )
    assert "the &lt;b&gt;star&lt;/b&gt;" in page
    assert "<b>star" not in page
    assert "<data>" not in page
    assert page.count("data:image/jpeg;base64,") == 4
    assert "the model prefers: thing 1" in page
    assert "what is not annotated" in page
    assert "http" not in page.replace("http-equiv", "")


def test_suspects_are_judged_with_the_keyboard_or_by_touch(needs_browser: None, tmp_path: Path) -> None:
    class Sources:
        index = SampleIndex.counted([1])

        def image(self, number: int) -> AnnotatedImage:
            return example((0,))

    wrong = suspect(Finds(RIGHT), example((0,)))
    hostile = "</script><script>document.title = 'broken'</script>"
    found = [replace(wrong, ref_id=number, sentence=f"star {number} {hostile}") for number in range(3)]
    page = render(make_cards(found, Sources()), data="d", split="val", model="m", count=3, fingerprint="f")
    path = tmp_path / "index.html"
    path.write_text(page, encoding="utf-8")
    with opened(path) as browser:
        keyboard, shown = browser.page.keyboard, browser.page.locator("#counts")
        keyboard.press("d")
        keyboard.press("k")
        keyboard.press("d")
        assert shown.text_content() == "2 to drop, 3 of 3 judged"
        keyboard.press("u")
        assert shown.text_content() == "1 to drop, 2 of 3 judged"
        keyboard.press("ArrowUp")
        keyboard.press("d")
        with browser.page.expect_download() as download:
            keyboard.press("s")
        saved = tmp_path / "drop.json"
        download.value.save_as(saved)
        assert read_drop_list(saved) == {found[0].drop_id, found[1].drop_id}
        browser.page.reload()
        assert shown.text_content() == "2 to drop, 2 of 3 judged"
        browser.page.locator("article button[value=keep]").last.click()
        assert shown.text_content() == "2 to drop, 3 of 3 judged"
        assert browser.page.title() == "cris audit: d"
        assert browser.complaints == []
        assert all(address.startswith(("file:", "data:", "blob:")) for address in browser.requests)


def test_rows_are_plain_json() -> None:
    row = suspect(Finds(RIGHT), example((0,))).to_dict()
    assert row["rle"] == encode_rle(Finds(RIGHT).predict(np.zeros((SIDE, SIDE, 3), np.uint8), "x").mask)
    assert row["preferred"] == 1
