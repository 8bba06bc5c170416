"""Figure of example masks: the answers of one model or several beside the true mask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont

from cris.evaluation.metrics import intersection_and_union, iou
from cris.prediction import highlight

COLUMNS = 2
"""Number of columns for a single model's examples; those of several models stand alone."""
_SIDE, _GAP, _TEXT = 208, 8, 15  # pixels: a panel's side, what is between, the height of letters
_CAPTION = 2 * (_TEXT + 5)  # pixels; two lines
_GROUND, _INK, _SOFT = "#ffffff", "#1d1b26", "#6a6678"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MaskExample:
    """One example on a sheet."""

    image: UInt8[np.ndarray, "height width 3"]
    sentence: str
    truth: Bool[np.ndarray, "height width"]
    """True mask."""
    found: Mapping[str, Bool[np.ndarray, "height width"]]
    """Title → predicted mask."""


def draw_sheet(examples: Sequence[MaskExample]) -> Image.Image:
    """Draw a block for each example: image, true mask, predicted masks; the sentence and IoUs below.

    All examples have as many masks found.
    """
    assert examples
    panels = 2 + len(examples[0].found)
    columns = min(COLUMNS if panels == 3 else 1, len(examples))
    rows = -(-len(examples) // columns)
    width, height = panels * (_SIDE + _GAP), _SIDE + _CAPTION + 2 * _GAP
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _GROUND)
    for place, example in enumerate(examples):
        row, column = divmod(place, columns)
        _draw(sheet, example, _GAP + column * width, _GAP + row * height)
    return sheet


def _draw(sheet: Image.Image, example: MaskExample, left: int, top: int) -> None:
    masks = (example.truth, *example.found.values())
    panels = (
        Image.fromarray(np.ascontiguousarray(example.image)),
        *(highlight(example.image, mask) for mask in masks),
    )
    for place, panel in enumerate(panels):
        scale = _SIDE / max(panel.size)
        size = max(1, round(scale * panel.width)), max(1, round(scale * panel.height))
        resized = panel.resize(size, Image.Resampling.LANCZOS)
        x = left + place * (_SIDE + _GAP // 2) + (_SIDE - resized.width) // 2
        sheet.paste(resized, (x, top + (_SIDE - resized.height) // 2))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    below, across = top + _SIDE + 4, len(panels) * _SIDE
    draw.text((left, below), _shortened(f"“{example.sentence}”", font, across), _INK, font)
    told = [
        f"{name}, IoU {iou(*intersection_and_union(mask, example.truth)):.2f}"
        for name, mask in example.found.items()
    ]
    legend = " · ".join(["image", "what is meant", *told])
    draw.text((left, below + _TEXT + 5), _shortened(legend, font, across), _SOFT, font)


def _shortened(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """Return the text, or as much of it as fits into this many pixels."""
    if font.getlength(text) <= width:
        return text
    while font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
