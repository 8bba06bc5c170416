"""The figures in the documents are the model card's."""

from pathlib import Path

import pytest

from cris.registry import DEFAULT_MODEL, MODELS
from tools.fill_figures import BLOCK, DOCUMENTS, OF_CARD, figures_of_card, filled

NAMES = [path.name for path in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_figures_are_those_of_the_card(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert filled(text, figures_of_card(MODELS / DEFAULT_MODEL)) == text


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_no_place_for_figures_is_left_empty(document: Path) -> None:
    found = BLOCK.findall(document.read_text(encoding="utf-8"))
    assert not [name for _, name, content, _ in found if "{" in content or not content.strip()]


def test_every_figure_of_the_card_is_told_somewhere() -> None:
    told = {found[1] for path in DOCUMENTS for found in BLOCK.findall(path.read_text(encoding="utf-8"))}
    assert told >= set(OF_CARD)


def test_only_places_with_a_name_that_is_known_are_filled() -> None:
    place = "a\n<!-- figures: {} -->\n{}\n<!-- end of figures -->\nb"
    document = place.format("sizes", "old\nlines") + place.format("other", "old")
    expected = place.format("sizes", "new") + place.format("other", "old")
    assert filled(document, {"sizes": "new"}) == expected
