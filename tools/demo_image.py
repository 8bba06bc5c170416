"""Draws docs/images/demo.jpg: what a model finds in the first photographs that come with the package."""

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cris import Prediction, Segmenter
from cris.demo.photographs import photographs
from cris.evaluation.metrics import intersection_and_union, iou
from cris.registry import DEFAULT_MODEL

COLUMNS, SHOWN = 4, 8
"""Photographs in a row, and in all: the first by id, each with its first sentence."""
WIDTH, HEIGHT = 360, 300
"""Size of a photograph's place, in pixels."""
GAP, TEXT_HEIGHT, RADIUS = 20, 92, 18  # pixels
PAGE, CARD, GROUND, INK, SOFT = "#f6f4f0", "#ffffff", "#17161d", "#1d1b26", "#6a6678"


def draw_card(prediction: Prediction, truth: np.ndarray) -> Image.Image:
    """Return the overlay with its sentence, score and IoU below."""
    card = Image.new("RGB", (WIDTH, HEIGHT + TEXT_HEIGHT), CARD)
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, WIDTH, HEIGHT - 1), GROUND)
    overlay = prediction.overlay()
    overlay.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    card.paste(overlay, ((WIDTH - overlay.width) // 2, (HEIGHT - overlay.height) // 2))
    for place, line in enumerate(textwrap.wrap(prediction.sentence, 33)):
        draw.text((14, HEIGHT + 8 + 24 * place), line, INK, ImageFont.load_default(19))
    overlap = iou(*intersection_and_union(prediction.mask, truth))
    figures = f"score {prediction.score:.2f}   IoU {overlap:.2f}"
    draw.text((14, HEIGHT + TEXT_HEIGHT - 28), figures, SOFT, ImageFont.load_default(16))
    return card


def main() -> None:
    """Draw the image with a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--out", type=Path, default=Path("docs/images/demo.jpg"))
    arguments = parser.parse_args()
    segmenter = Segmenter.from_pretrained(arguments.model, "cpu")
    cards = []
    for photograph in photographs()[:SHOWN]:
        asked = photograph.asked[0]
        assert asked.mask is not None
        cards.append(draw_card(segmenter.predict(photograph.path, asked.sentence), asked.mask))
    width, height = cards[0].width + GAP, cards[0].height + GAP
    page = Image.new("RGB", (COLUMNS * width + GAP, -(-SHOWN // COLUMNS) * height + GAP), PAGE)
    corners = Image.new("L", cards[0].size)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, corners.width - 1, corners.height - 1), RADIUS, 255)
    for place, card in enumerate(cards):
        row, column = divmod(place, COLUMNS)
        page.paste(card, (GAP + column * width, GAP + row * height), corners)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    page.save(arguments.out, quality=88, optimize=True, progressive=True)


if __name__ == "__main__":
    main()
