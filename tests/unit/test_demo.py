import base64
import html
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cris.data.scenes import KINDS
from cris.demo.scenes import SCENES_SHOWN, gallery_scenes
from cris.evaluation.results import Evaluation
from cris.gallery import (
    EXTRA_RGB,
    MISSED_RGB,
    SHARED_RGB,
    GalleryCard,
    figures_of,
    make_card,
    render,
)
from cris.letterbox import Letterbox
from cris.model.output import ModelOutput
from cris.prediction import Prediction
from tests.fixtures.rows import a_row

LEFT = np.arange(64)[None].repeat(48, axis=0) < 32
HOSTILE = "<script>alert(1)</script> & \"quotes\" onerror='x' {{ 7 * 7 }}"


def predicted(sentence: str = "the red ring") -> Prediction:
    """Finds the left half of an image of 64×48."""
    logits = np.full((16, 16), -9, dtype=np.float32)
    logits[:, :8] = 9
    image = np.full((48, 64, 3), 200, dtype=np.uint8)
    letterbox = Letterbox(48, 64, 64)
    return Prediction.from_output(
        ModelOutput(logits[None]), sentence=sentence, image=image, letterbox=letterbox, threshold=0.5
    )


def evaluation() -> Evaluation:
    kinds = [*KINDS[:3], KINDS[0]]
    return Evaluation(
        [a_row(place, place, 4, kind=kind, score=place / 4) for place, kind in enumerate(kinds)]
    )


def page(photographs: list[GalleryCard], model: str = "cris-photos", summary: str = "Knows a lot.") -> str:
    return render(
        model=model,
        summary=summary,
        photographs=photographs,
        scenes_model="cris-scenes",
        scenes=[make_card(predicted("the ring"), LEFT, KINDS[0])],
        evaluation=evaluation(),
        split_size=2000,
    )


def decoded(data_uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data_uri.partition(",")[2])))


class Tags(HTMLParser):
    """Which tags and attributes a page really has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_card_tells_iou_only_where_something_is_meant() -> None:
    truth = np.zeros((48, 64), dtype=bool)
    truth[:, :16] = True
    card = make_card(predicted(), truth, "ordinal")
    assert card.iou == pytest.approx(0.5, abs=0.01)
    assert (card.kind, card.width, card.height) == ("ordinal", 64, 48)
    absent = make_card(predicted(), None)
    assert (absent.iou, absent.kind, absent.is_empty) == (None, "absent", False)


def test_figures_count_what_is_there_and_what_is_not() -> None:
    nothing = replace(make_card(predicted(), None), is_empty=True)
    half = replace(make_card(predicted(), LEFT), iou=0.5)
    figures = figures_of([make_card(predicted(), LEFT), half, nothing, make_card(predicted(), None)])
    assert figures.mean_iou == pytest.approx(0.75, abs=0.01)
    assert (figures.count, figures.good, figures.absent, figures.absent_empty) == (2, 1, 2, 1)


def test_card_images_are_the_image_the_mask_and_the_comparison() -> None:
    truth = np.zeros((48, 64), dtype=bool)
    truth[:24] = True
    prediction = predicted()
    card = make_card(prediction, truth)
    assert {decoded(uri).size for uri in (card.image, card.found, card.mask, card.compare)} == {(64, 48)}
    np.testing.assert_array_equal(np.array(decoded(card.mask)) > 0, prediction.mask)
    colours = np.array(decoded(card.compare).convert("RGBA"))[..., :3]
    for (row, column), colour in {(5, 5): SHARED_RGB, (40, 5): EXTRA_RGB, (5, 60): MISSED_RGB}.items():
        np.testing.assert_allclose(colours[row, column], colour, atol=4)


def test_page_is_whole_and_shows_every_card() -> None:
    cards = [make_card(predicted(f"sentence {n}"), np.ones((48, 64), dtype=bool), KINDS[n]) for n in range(3)]
    text = page(cards)
    tags = Tags(text)
    assert tags.open == []
    assert len(tags.named("figure")) == 4
    for card in cards:
        assert f"“{card.sentence}”" in text
        assert f"{card.iou:.2f}" in text
    assert all(f'<th scope="row">{kind}</th>' in text for kind in KINDS[:3])


def test_page_needs_no_network_and_no_script() -> None:
    tags = Tags(page([make_card(predicted(), LEFT)]))
    assert not tags.named("script")
    assert not tags.named("link")
    sources = [
        value for _, attributes in tags.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert sources
    assert all(source and source.startswith(("data:image/", "#")) for source in sources)
    (policy,) = (meta["content"] for meta in tags.named("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_what_users_wrote_is_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    card = replace(make_card(predicted(HOSTILE), LEFT), kind=hostile, credit=hostile)
    text = page([card], model="<script>model</script>", summary=hostile)
    tags = Tags(text)
    assert not tags.named("script")
    assert not [attributes for _, attributes in tags.tags if "onerror" in attributes]
    assert f"“{html.escape(HOSTILE, quote=False)}”" in text.replace("&#34;", '"').replace("&#39;", "'")


def test_page_says_how_good_the_model_is_and_how_to_go_on() -> None:
    there = replace(make_card(predicted("the cup"), LEFT, credit="CC BY 2.0, somewhere"), iou=0.25)
    text = " ".join(re.sub(r"<[^>]+>", " ", page([there, make_card(predicted("the dog"), None)])).split())
    assert "Knows a lot." in text
    assert (
        "mean IoU on the 1 sentences below: how much of the mask found and the true one is shared 0.25"
        in text
    )
    assert "of 1 things that are not in the image are rightly not found 0" in text
    assert "something, wrongly" in text
    assert "CC BY 2.0, somewhere" in text
    assert "cris train finetune --from cris-photos --data DIR --out DIR" in text
    assert text.index("the cup") < text.index("the ring")


def test_gallery_shows_a_dozen_scenes_of_every_kind() -> None:
    scenes = gallery_scenes()
    assert len(scenes) == SCENES_SHOWN == 12
    kinds = [scene.kind for scene in scenes]
    assert set(kinds) == set(KINDS) - {"no_target", "plural", "ambiguous"}
    assert max(map(kinds.count, kinds)) == 2
    assert all(scene.image.shape == (320, 320, 3) for scene in scenes)
