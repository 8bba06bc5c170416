"""Draws docs/images/demo.jpg: the first scene of each kind in the gallery, with what the model finds."""

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cris import Prediction, Segmenter
from cris.demo.pictures import SCENE_SIDE, gallery_scenes
from cris.evaluation.metrics import intersection_and_union, iou

COLUMNS, SHOWN = 4, 8
GAP, TEXT_HEIGHT, RADIUS = 20, 92, 18  # pixels
PAGE, CARD, INK, SOFT = "#f6f4f0", "#ffffff", "#1d1b26", "#6a6678"


def draw_card(prediction: Prediction, truth: np.ndarray) -> Image.Image:
    """The overlay with its sentence, score and IoU below."""
    card = Image.new("RGB", (SCENE_SIDE, SCENE_SIDE + TEXT_HEIGHT), CARD)
    card.paste(prediction.overlay())
    draw = ImageDraw.Draw(card)
    for place, line in enumerate(textwrap.wrap(prediction.sentence, 29)):
        draw.text((14, SCENE_SIDE + 8 + 24 * place), line, INK, ImageFont.load_default(19))
    overlap = iou(*intersection_and_union(prediction.mask, truth))
    figures = f"score {prediction.score:.2f}   IoU {overlap:.2f}"
    draw.text((14, SCENE_SIDE + TEXT_HEIGHT - 28), figures, SOFT, ImageFont.load_default(16))
    return card


def main() -> None:
    """Draws the picture with a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cris-scenes")
    parser.add_argument("--out", type=Path, default=Path("docs/images/demo.jpg"))
    arguments = parser.parse_args()
    segmenter = Segmenter.from_pretrained(arguments.model, "cpu")
    scenes = gallery_scenes()[:SHOWN]
    cards = [draw_card(segmenter.predict(one.image, one.sentence), one.mask) for one in scenes]
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
