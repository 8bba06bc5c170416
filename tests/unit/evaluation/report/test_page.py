import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from cris.data.dataset import Dataset
from cris.data.open import open_dataset
from cris.evaluation.failures import explain
from cris.evaluation.kinds import kind_of
from cris.evaluation.metrics import METRICS, intersection_and_union, iou
from cris.evaluation.report import images
from cris.evaluation.report.images import EXTRA_RGB, MISSED_RGB, SHARED_RGB
from cris.evaluation.report.page import Subject, headlines, render, write_report
from cris.evaluation.report.selection import IMAGES_EACH, illustrated, views
from cris.evaluation.results import Evaluation
from cris.evaluation.rows import Row
from cris.masks import encode_rle
from tests.fixtures.browser import Opened, opened
from tests.fixtures.plugin import Proof
from tests.fixtures.rows import a_row
from tests.fixtures.stored import mask_of, record, with_entry, write

HOSTILE = (
    "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'> {{ 7 * 7 }}"
)
SUBJECT = Subject(
    model="<b>model</b>", data="streets", split="val", facts=("threshold 0.5",), fingerprint="abc"
)
FOUND = {
    "right": (2, 3, 10, 20),
    "wrong": (30, 5, 12, 9),
    "part": (2, 3, 10, 6),
    "nothing": (0, 0, 0, 0),
}
"""What answers to sentences about the left dog are, by turns."""


def rows_of(dataset: Dataset) -> list[Row]:
    """Answers that are right, wrong, partly right and empty by turns."""
    rows = []
    for image in dataset.images():
        for truth in image.references:
            found = mask_of(*list(FOUND.values())[(truth.sample + truth.sample // 4) % len(FOUND)])
            true = image.mask(truth.targets)
            others = [each.mask for place, each in enumerate(image.objects) if place not in truth.targets]
            intersection, union = intersection_and_union(found, true)
            explanation = explain(found, true, others)
            rows.append(
                a_row(
                    truth.sample,
                    intersection,
                    union,
                    iou=iou(float(intersection), float(union)),
                    true_area=int(true.sum()),
                    predicted_area=int(found.sum()),
                    picture=image.name,
                    picture_id=image.picture_id,
                    sentence=truth.sentence,
                    kind=kind_of(truth.sentence),
                    category=image.category(truth.targets),
                    height=48,
                    width=64,
                    score=(truth.sample * 7 % 20) / 20,
                    ambiguity=(truth.sample * 3 % 10) / 10,
                    failure=explanation.failure,
                    best_other_iou=explanation.best_other_iou,
                    rle=encode_rle(found),
                )
            )
    return rows


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Evaluation]:
    """Ten images with 40 sentences, one of them hostile."""
    folder = tmp_path_factory.mktemp("data") / "set"
    records = [record(number, "val") for number in range(10)]
    records[0] = with_entry(records[0], sentences=(HOSTILE, "the dog on the left"))
    write(folder, [replace(one, file_name=f"<i>{one.file_name}") for one in records])
    dataset = open_dataset(folder, "val")
    return dataset, Evaluation(rows_of(dataset))


@pytest.fixture(scope="module")
def report(measured: tuple[Dataset, Evaluation], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    examples, evaluation = measured
    assert len(list(write_report(folder, SUBJECT, evaluation, examples))) == 40
    return folder


@pytest.fixture(scope="module")
def browser(needs_browser: None, report: Path) -> Iterator[Opened]:
    with opened(report / "index.html") as found:
        yield found


def column(browser: Opened, place: int) -> list[str]:
    return browser.page.eval_on_selector_all(
        f"#table tbody td:nth-child({place})", "cells => cells.map(cell => cell.textContent)"
    )


def test_a_page_opens_from_the_disk_and_asks_for_nothing_else(browser: Opened) -> None:
    browser.page.wait_for_selector("#gallery .card")
    assert browser.complaints == []
    assert browser.requests
    assert all(address.startswith("file:") for address in browser.requests)


def test_what_users_wrote_stays_text(browser: Opened) -> None:
    browser.page.get_by_role("button", name="all", exact=True).click()
    browser.page.fill("input[name=text]", "onerror")
    assert column(browser, 2) == [HOSTILE]
    assert browser.page.text_content("#gallery .words") == f"“{HOSTILE}”"
    assert browser.page.evaluate("window.broken") is None
    assert browser.page.text_content("h1") == "<b>model</b> on streets, val"
    assert browser.page.locator("h1 b").count() == 0
    browser.page.get_by_role("button", name="Clear").click()


def test_headers_sort_both_ways(browser: Opened) -> None:
    browser.page.get_by_role("button", name="all", exact=True).click()
    header = browser.page.locator("#table th").first
    header.locator("button").click()
    highest = [float(cell) for cell in column(browser, 1)]
    assert highest == sorted(highest, reverse=True)
    assert header.get_attribute("aria-sort") == "descending"
    header.locator("button").click()
    lowest = [float(cell) for cell in column(browser, 1)]
    assert lowest == sorted(lowest)
    assert lowest[0] < highest[0]
    assert len(lowest) == 20
    browser.page.get_by_role("button", name="Next").click()
    assert len(column(browser, 1)) == 20
    assert float(column(browser, 1)[-1]) == highest[0]


@pytest.mark.parametrize("view", ["wrong object", "bad mask", "missed", "hallucinated"])
def test_a_kind_of_failure_shows_its_samples(
    view: str, browser: Opened, measured: tuple[Dataset, Evaluation]
) -> None:
    expected = measured[1].failures[view]
    browser.page.locator(f".failures button[data-view='{view}']").click()
    assert column(browser, 3) == [view] * expected
    assert browser.page.locator("#gallery .card").count() == expected
    assert f"{expected} samples" in str(browser.page.text_content("#told"))


def test_filters_narrow_and_clear(browser: Opened) -> None:
    browser.page.get_by_role("button", name="all", exact=True).click()
    browser.page.fill("input[name=text]", "boat")
    assert set(column(browser, 2)) == {"a blue boat"}
    browser.page.fill("input[name=text]", "nothing like it")
    assert column(browser, 2) == []
    assert "clear the filters" in str(browser.page.text_content("#told"))
    browser.page.get_by_role("button", name="Clear").click()
    expect(browser.page.locator("#table tbody tr")).to_have_count(20)
    browser.page.fill("input[name=low]", "0.5")
    assert all(float(cell) >= 0.5 for cell in column(browser, 1))
    browser.page.get_by_role("button", name="Clear").click()


def test_a_card_enlarges_its_image_with_its_masks(browser: Opened) -> None:
    browser.page.get_by_role("button", name="best", exact=True).click()
    browser.page.locator("#gallery .card").first.click()
    browser.page.wait_for_selector("dialog[open] img.layer")
    for image in browser.page.locator("dialog img").all():
        expect(image).to_have_js_property("naturalWidth", 64)
    assert browser.page.text_content("dialog dd") == "1.000"
    browser.page.get_by_role("button", name="Close").click()
    assert browser.page.locator("dialog[open]").count() == 0


def test_a_layer_tells_truth_from_answer() -> None:
    found, true = mask_of(0, 0, 20, 48), mask_of(10, 0, 20, 48)
    drawn = np.array(Image.open(io.BytesIO(images.layer(found, true, (64, 48)))).convert("RGBA"))
    for x, colour in ((5, EXTRA_RGB), (15, SHARED_RGB), (25, MISSED_RGB)):
        assert tuple(drawn[24, x]) == (*colour, images.OPACITY)
    assert drawn[24, 50, 3] == 0


def test_views_hold_what_they_say_and_every_row_is_in_the_table(
    measured: tuple[Dataset, Evaluation], report: Path
) -> None:
    rows = measured[1].rows
    found = {view.name: view.samples(rows) for view in views(rows)}
    assert [row.iou for row in found["worst"]] == sorted(row.iou for row in rows if row.failure is not None)
    assert found["best"][0].iou == max(row.iou for row in rows)
    assert all(row.failure == "missed" for row in found["missed"])
    assert found["most ambiguous"][0].ambiguity == 0.9
    assert all(row.failure is not None for row in found["sure but wrong"])
    text = (report / "index.html").read_text(encoding="utf-8")
    assert all(f'[{row.sample}, "' in text for row in rows)


def test_rightly_nothing_is_not_among_the_worst_though_its_iou_is_0() -> None:
    rows = [a_row(0, 0, 0, iou=0.0, is_no_target=True, failure=None), a_row(1, 4, 10, failure="bad mask")]
    found = {view.name: view for view in views(rows)}
    assert [row.sample for row in found["worst"].samples(rows)] == [1]
    assert found["worst"].filters == {"failure": "any"}


def test_images_are_bounded_and_no_view_goes_without() -> None:
    rows = [
        a_row(place, place % 1000, 1000, failure="bad mask" if place % 1000 < 500 else None)
        for place in range(5000)
    ]
    chosen = illustrated(rows)
    assert len(chosen) <= IMAGES_EACH * len(views(rows))
    for view in views(rows):
        assert {row.sample for row in view.samples(rows)[:IMAGES_EACH]} <= {row.sample for row in chosen}


def test_images_stop_at_their_bytes(
    measured: tuple[Dataset, Evaluation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MOST_BYTES", 6_000)
    examples, evaluation = measured
    drawn = list(images.draw_images(tmp_path, examples, evaluation.rows))
    assert 0 < len(drawn) < 40
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.*")) <= 6_000


def test_a_report_of_5000_samples_stays_below_30_mb(prove: Proof) -> None:
    count = prove.count(full=5_000, quick=500)
    sentence = "the man in the red shirt next to the woman who is holding a white umbrella"
    rows = [a_row(place, place % 1000, 1000, sentence=f"{sentence} {place}") for place in range(count)]
    size = len(render(SUBJECT, Evaluation(rows), set()).encode())
    whole = size + images.MOST_BYTES
    prove.figure(f"report of {count:,} samples, at most", f"{whole / 1e6:.1f} MB")
    assert whole + size * (5_000 / count - 1) <= 30_000_000


def test_headlines_tell_of_what_means_nothing_only_where_there_is_such() -> None:
    plain = Evaluation([a_row(0, picture_id=0), a_row(1, picture_id=1)])
    told = [one.name for one in headlines(plain)]
    assert {"mean IoU", "overall IoU", "Pr@50", "Pr@70", "Pr@90", "ceiling"} <= {*told}
    assert told == [
        one.title
        for one in METRICS
        if one.is_headline and not one.is_no_target and plain.total[one.name] is not None
    ]
    nothing = Evaluation([a_row(0), a_row(1, 0, 0, true_area=0, predicted_area=0)])
    assert {"gIoU", "cIoU", "N-acc", "T-acc"} <= {one.name for one in headlines(nothing)}


def test_the_same_rows_make_the_same_page(measured: tuple[Dataset, Evaluation]) -> None:
    first, second = (render(SUBJECT, measured[1], {1, 2}) for _ in range(2))
    assert first == second
    assert not re.search(r"https?://(?!www\.w3\.org|purl\.org|creativecommons\.org)", first)
