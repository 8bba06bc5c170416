from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from cris.data.inspection.stats import CEILING_SIZES, Statistics, count
from cris.data.inspection.stats_page import contact_sheet, render
from cris.data.records import AREA_EDGES
from cris.data.store.manifest import Manifest
from cris.data.store.reading import StoredDataset
from cris.letterbox import ceiling
from cris.masks import decode_rle
from tests.fixtures.stored import HEIGHT, WIDTH, record, records, with_entry, write


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return write(tmp_path / "data", records(8))


@pytest.fixture
def statistics(manifest: Manifest) -> Statistics:
    return count(records(8), manifest.splits)


def test_sentences_and_words_are_counted(statistics: Statistics) -> None:
    # each image has: left dog | the dog on the left | a blue boat | both dogs
    assert statistics.sentence_words == [0, 0, 16, 8, 0, 8]
    assert statistics.mean_words == 3.0
    assert statistics.vocabulary == 9
    assert statistics.words[:4] == [("dog", 16), ("left", 16), ("the", 16), ("a", 8)]


def test_objects_are_those_that_are_referred_to_each_once(statistics: Statistics) -> None:
    assert statistics.categories == [("dog", 16)]
    assert statistics.distractors == [0, 16], "each dog has the other; the cat is none"
    assert statistics.targets == [("none", 8), ("one", 8), ("several", 8)]


def test_areas_and_centres_lie_where_the_objects_do(statistics: Statistics) -> None:
    shares = [10 * 20 / (HEIGHT * WIDTH), 12 * 9 / (HEIGHT * WIDTH)]
    assert statistics.median_area == pytest.approx(sum(shares) / 2)
    expected = [8 * sum(low <= share < high for share in shares) for low, high in pairwise(AREA_EDGES)]
    assert statistics.areas == expected
    cells = {
        (row, column): times
        for row, line in enumerate(statistics.centres)
        for column, times in enumerate(line)
        if times
    }
    assert cells == {(int(12 * 13 / 48), int(12 * 7 / 64)): 8, (int(12 * 9.5 / 48), int(12 * 36 / 64)): 8}


def test_the_ceiling_is_that_of_the_true_masks(statistics: Statistics) -> None:
    masks = [decode_rle(each.rle) for each in record(0).objects[:2]]
    for size, found in statistics.ceilings:
        assert found == pytest.approx(sum(ceiling(mask, size, "default") for mask in masks) / 2)
    assert [size for size, _ in statistics.ceilings] == list(CEILING_SIZES)
    assert statistics.ceiling_objects == 16


def test_the_page_escapes_what_the_data_says_and_needs_no_network(tmp_path: Path) -> None:
    evil = with_entry(record(0), sentences=("<script>alert(1)</script>",), split="train")
    write(tmp_path / "evil", [replace(evil, file_name='"><img src=x>'), record(1)])
    dataset = StoredDataset(tmp_path / "evil")
    page = render("<b>data</b>", count(dataset, dataset.manifest.splits), contact_sheet(dataset, 99))
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<b>data" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<figure>") == 7


def test_the_sheet_spreads_over_the_data_set(tmp_path: Path, manifest: Manifest) -> None:
    cards = contact_sheet(StoredDataset(tmp_path / "data"), 8)
    assert len(cards) == 8
    assert (cards[0].name, cards[-1].name) == ("street-0.png", "street-7.png")
    assert len({card.name for card in cards}) == 8
    assert {(card.width, card.height) for card in cards} == {(WIDTH, HEIGHT)}


def test_entries_without_target_alone_have_statistics_too(tmp_path: Path) -> None:
    nothing = replace(record(0), entries=record(0).entries[1:2])
    dataset_splits = write(tmp_path / "data", [nothing]).splits
    statistics = count([nothing], dataset_splits)
    assert (statistics.ceilings, statistics.median_area) == ([], 0.0)
    dataset = StoredDataset(tmp_path / "data")
    assert "no targets" in render("data", statistics, contact_sheet(dataset, 3))
