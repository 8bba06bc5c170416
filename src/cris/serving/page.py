"""Page at /: an image and sentences in, masks over the image out. Made with Gradio."""

import asyncio
import html
import os
import shutil
from functools import partial
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from PIL import Image
from starlette.exceptions import HTTPException

from cris import __version__
from cris.card import SUMMARY, read_front_matter
from cris.demo.photographs import photographs
from cris.demo.scenes import SCENE_SIDE
from cris.registry import SCENES_MODEL, resolve
from cris.serving.app import http_error
from cris.serving.batcher import Batcher
from cris.serving.limits import RefusalError
from cris.serving.requests import make_ask
from cris.serving.visualize import Findings
from cris.text_files import split_lines

# read when Gradio is imported: nothing is reported, and nothing asked for, elsewhere
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

KEPT_SECONDS = 600
"""Seconds after which uploads and results are deleted, also when the server ends."""
SESSIONS = 256
"""Number of sessions whose results are kept at a time, in memory."""
OPACITY = 0.5
_SHORTCUT = """<script>
document.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    // what was typed last reaches the server before the click does
    document.activeElement?.dispatchEvent(new Event("input", {bubbles: true}));
    document.querySelector("#find")?.click();
  }
}, true);
</script>"""
"""Part of the page's head: Ctrl+Enter, or ⌘+Enter, finds."""
SCENES = {
    1: ("the big lightning bolt", "the blue ring", "the pink heart"),
    20: ("the large red circle", "the pink arrow", "the cyan circle"),
}
"""Examples for the model of scenes: index in the test split of Scenes → sentences to ask."""
PHOTOGRAPHS = 4
"""Number of examples for all other models: the first of the package's photographs."""

_LEAD = """<h1>From a sentence to <em>its pixels</em></h1><p class="lead">Give it an image, say what to find,
and it lights up the pixels you mean. Several sentences, one a line, get a colour each.</p>"""
_EMPTY = """<p class="soft">What is found appears above, in colours over your image. The examples below
have an image and sentences to begin with.</p>"""
_FOOT = f"""<p class="soft">cris {__version__}. Images stay on this server and are deleted after
{KEPT_SECONDS // 60} minutes. Programs use <code>POST /v1/segment</code>, described in
<a href="/openapi.json">openapi.json</a>.</p>"""


def add_page(app: FastAPI, batcher: Batcher, folder: Path) -> None:
    """Put the page at /, beside the routes that `app` has.

    Uploads and results are files in `folder`, which is the caller's to remove.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    blocks = build(batcher, folder)
    blocks.state_session_capacity = SESSIONS
    # Gradio queues events by itself; the line that counts is the batcher's
    blocks.queue(max_size=batcher.limits.waiting, api_open=False, default_concurrency_limit=4)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        app_kwargs={"exception_handlers": {HTTPException: http_error}},
        footer_links=[],
        run_history=False,
        show_error=True,
        max_file_size=batcher.limits.body_bytes,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=_theme(),
        css=(files("cris.serving") / "page.css").read_text(encoding="utf-8"),
        head=_SHORTCUT,
    )


def build(batcher: Batcher, folder: Path) -> gr.Blocks:
    """Build the page and its behaviour."""
    ready = batcher.ready
    assert ready is not None
    with gr.Blocks(
        title="cris: from a sentence to its pixels",
        analytics_enabled=False,
        delete_cache=(60, KEPT_SECONDS),
        fill_width=False,
    ) as blocks:
        gr.HTML(_LEAD + _note(batcher.settings.model))
        findings = gr.State(None, time_to_live=KEPT_SECONDS)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=320):
                image = gr.Image(
                    label="Image",
                    # as it came, and not decoded here: the worker does, within the limits
                    type="filepath",
                    image_mode=None,
                    sources=["upload", "webcam", "clipboard"],
                    height=340,
                    elem_id="picture",
                )
                sentences = gr.Textbox(
                    label="What to find",
                    info="One sentence a line; Ctrl+Enter finds",
                    placeholder="the man in red\nthe left dog",
                    lines=3,
                    max_lines=8,
                    elem_id="sentences",
                )
                find = gr.Button("Find", variant="primary", size="lg", elem_id="find")
            with gr.Column(scale=6, min_width=320):
                shown = gr.Image(
                    label="Found",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_id="found",
                )
                table = gr.HTML(_EMPTY, elem_id="table")
                with gr.Row():
                    opacity = gr.Slider(
                        0,
                        1,
                        OPACITY,
                        step=0.05,
                        label="Opacity",
                        info="Of the colours",
                        min_width=140,
                        elem_id="opacity",
                    )
                    threshold = gr.Slider(
                        0.05,
                        0.95,
                        ready.threshold,
                        step=0.01,
                        label="Threshold",
                        info="Lower finds more",
                        min_width=140,
                        elem_id="threshold",
                    )
                with gr.Row():
                    as_png = gr.DownloadButton("Image (PNG)", interactive=False, min_width=140, elem_id="png")
                    as_zip = gr.DownloadButton(
                        "Masks, cut-outs (ZIP)", interactive=False, min_width=140, elem_id="zip"
                    )
                    as_coco = gr.DownloadButton(
                        "Masks (COCO JSON)", interactive=False, min_width=140, elem_id="coco"
                    )
        examples = gr.Examples(
            _examples(folder, batcher.settings.model),
            [image, sentences],
            label="Examples",
            cache_examples=False,
            api_visibility="private",
        )
        gr.HTML(_FOOT)

        async def ask(path: str | None, text: str) -> Findings:
            return await _ask(batcher, path, text)

        drawn = {
            "fn": partial(_draw, folder),
            "inputs": [findings, threshold, opacity],
            "outputs": [shown, table, as_png, as_zip, as_coco],
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        for event in (find.click, sentences.submit, examples.load_input_event.then):
            event(
                ask,
                [image, sentences],
                findings,
                show_progress_on=shown,
                api_visibility="private",
                concurrency_limit=None,  # those who wait are the batcher's
            ).success(**drawn)
        gr.on([opacity.change, threshold.change], trigger_mode="always_last", **drawn)
        image.clear(lambda: None, outputs=findings, api_visibility="private").then(**drawn)
    assert isinstance(blocks, gr.Blocks)
    return blocks


def sentences_in(text: str) -> list[str]:
    """Return what was typed line by line, without what is blank."""
    return [line.strip() for line in split_lines(text) if line.strip()]


def _sentence(refusal: RefusalError) -> str:
    return f"{refusal.body['detail']}: {refusal.body['hint']}."


async def _ask(batcher: Batcher, path: str | None, text: str) -> Findings:
    sentences = sentences_in(text)
    if path is None:
        raise _told("Choose an image first.")
    if not sentences:
        raise _told("Say what to find, such as “the red cup”.")
    try:
        content = await asyncio.to_thread(Path(path).read_bytes)
        ask = make_ask(content, sentences, frozenset({"ambiguity"}), batcher.limits, is_for_drawing=True)
        answered = await batcher.ask(ask)
    except FileNotFoundError:
        raise _told("The image was deleted in the meantime: choose it again.") from None
    except RefusalError as refusal:
        raise _told(_sentence(refusal)) from None
    return await asyncio.to_thread(Findings.of, answered.answer, Path(path).name)


def _draw(
    folder: Path, findings: Findings | None, threshold: float, opacity: float
) -> tuple[str | None, str, gr.DownloadButton, gr.DownloadButton, gr.DownloadButton]:
    """Return the image with its masks, the table, and what was found as files."""
    if findings is None:
        nothing = gr.DownloadButton(value=None, interactive=False)
        return None, _EMPTY, nothing, nothing, nothing
    archive = save_bytes_to_cache(findings.archive(threshold), "cris-masks.zip", str(folder))
    png = save_bytes_to_cache(findings.draw(threshold, opacity), "cris-found.png", str(folder))
    coco = save_bytes_to_cache(findings.coco(threshold), "cris-masks.json", str(folder))
    return (
        png,
        findings.table(threshold),
        gr.DownloadButton(value=png, interactive=True),
        gr.DownloadButton(value=archive, interactive=True),
        gr.DownloadButton(value=coco, interactive=True),
    )


def _told(message: str) -> gr.Error:
    return gr.Error(html.escape(message, quote=False), print_exception=False)  # Gradio shows HTML


def _note(model: str) -> str:
    """Return what the model's card says of it in a sentence, if it does."""
    summary = read_front_matter(resolve(model)).get(SUMMARY)
    return f'<p class="note">{html.escape(summary)}</p>' if summary else ""


def _examples(folder: Path, model: str) -> list[list[str]]:
    """Return images that come with the package, as files, and what to find in them."""
    if model != SCENES_MODEL:
        return [
            [str(shutil.copy(each.path, folder)), "\n".join(asked.sentence for asked in each.asked)]
            for each in photographs()[:PHOTOGRAPHS]
        ]
    from cris.data.scenes import Scenes

    scenes = Scenes("test", size=SCENE_SIDE)
    rows = []
    for index, sentences in SCENES.items():
        path = folder / f"scene-{index}.png"
        Image.fromarray(scenes[index].image).save(path)
        rows.append([str(path), "\n".join(sentences)])
    return rows


def _theme() -> gr.themes.Base:
    """Return a theme of fonts that every system has: none is fetched."""
    return gr.themes.Base(
        primary_hue="pink",
        neutral_hue="zinc",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        radius_size="lg",
    )
