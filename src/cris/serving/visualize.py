"""Drawings of what was found for the page: masks in colours over the image, a table, and files to keep."""

import html
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from cris.conversions import to_coco, to_png
from cris.filenames import slug
from cris.prediction import Prediction, cut_out
from cris.serving.messages import SegmentResult

_NAME_BYTES = 80
"""Longest part of a name in a zip, in bytes."""
COLOURS_RGB = (
    *((255, 72, 118), (64, 156, 255), (255, 176, 32), (56, 201, 140)),
    *((176, 112, 255), (20, 200, 220), (255, 120, 40), (150, 210, 40)),
)
"""Colours of the sentences in order, then again from the first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """Findings in one image; drawn again and again as sliders move, without the model."""

    image: bytes
    """Image as a JPEG, at most as large as a screen."""
    answer: SegmentResult
    """Answer without its preview, which the JPEG stands for."""
    name: str = "picture"
    """Name of the image's file."""

    @classmethod
    def of(cls, answer: SegmentResult, name: str = "picture") -> "Findings":
        """Return what is worth keeping of an answer: some hundred kilobytes."""
        assert answer.drawing is not None
        buffer = io.BytesIO()
        Image.fromarray(answer.drawing.preview).save(buffer, "JPEG", quality=95, subsampling=0)
        drawing = replace(answer.drawing, preview=np.zeros((1, 1, 3), dtype=np.uint8))
        return cls(image=buffer.getvalue(), answer=replace(answer, drawing=drawing), name=name)

    def draw(self, threshold: float, opacity: float) -> bytes:
        """Return a PNG of the image with its masks; opacity 0 leaves outlines, 1 hides what is below."""
        image = self._preview()
        buffer = io.BytesIO()
        masks = self.masks(threshold, *image.shape[:2])
        Image.fromarray(overlay(image, masks, opacity)).save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()

    def masks(self, threshold: float, height: int, width: int) -> list[Bool[np.ndarray, "height width"]]:
        """Return the mask of each sentence, at this size in pixels."""
        drawing = self.answer.drawing
        assert drawing is not None
        letterbox = replace(drawing.letterbox, height=height, width=width)
        return [letterbox.restore(grid) > threshold for grid in drawing.grids]

    def coco(self, threshold: float) -> bytes:
        """Return the masks at the image's own size as a COCO JSON, a category for each sentence.

        Sentences that find nothing have no annotation.
        """
        answer, drawing = self.answer, self.answer.drawing
        assert drawing is not None
        predictions = [
            Prediction(
                sentence=result["sentence"],
                mask=mask,
                score=result["score"],
                image=np.broadcast_to(np.uint8(0), (answer.height, answer.width, 3)),  # not read
                grid=grid,
                letterbox=drawing.letterbox,
            )
            for result, grid, mask in zip(
                answer.results, drawing.grids, self.masks(threshold, answer.height, answer.width), strict=True
            )
        ]
        info = {"description": "made by cris", "threshold": threshold}
        return json.dumps({"info": info, **to_coco([(self.name, predictions)])}).encode()

    def archive(self, threshold: float) -> bytes:
        """Return a zip of each sentence's mask, at the image's own size, and cut-out, at the preview's.

        Sentences that find nothing have none.
        """
        preview = self._preview()
        stem = slug(PurePath(self.name).stem, _NAME_BYTES)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
            masks = self.masks(threshold, self.answer.height, self.answer.width)
            shown = self.masks(threshold, *preview.shape[:2])
            for number, (result, mask, small) in enumerate(
                zip(self.answer.results, masks, shown, strict=True)
            ):
                if mask.any():
                    name = f"{stem}-{number + 1}-{slug(result['sentence'], _NAME_BYTES)}"
                    whole = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
                    archive.writestr(f"{name}.mask.png", to_png(whole))
                    archive.writestr(f"{name}.cutout.png", to_png(cut_out(preview, small)))
        return buffer.getvalue()

    def _preview(self) -> UInt8[np.ndarray, "height width 3"]:
        return np.asarray(Image.open(io.BytesIO(self.image)).convert("RGB"))

    def table(self, threshold: float) -> str:
        """Return HTML: a row for each sentence, with its colour; models that tell presence have a column."""
        tells = any("present" in result for result in self.answer.results)
        present = '<th scope="col">Present</th>' if tells else ""
        masks = self.masks(threshold, self.answer.height, self.answer.width)
        rows = "".join(
            _row(colour_of(number), result, float(mask.mean()), tells_presence=tells)
            for number, (result, mask) in enumerate(zip(self.answer.results, masks, strict=True))
        )
        return (
            '<table class="findings"><thead><tr><th scope="col">Sentence</th><th scope="col">Score</th>'
            f'{present}<th scope="col">Ambiguity</th><th scope="col">Area</th></tr></thead>'
            f"<tbody>{rows}</tbody></table>"
        )


def overlay(
    image: UInt8[np.ndarray, "height width 3"],
    masks: Sequence[Bool[np.ndarray, "height width"]],
    opacity: float,
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the image with each mask tinted in its colour and outlined."""
    drawn = image.copy()
    width = max(1, round(min(image.shape[:2]) / 200))  # of the lines, in pixels
    for number, mask in enumerate(masks):
        tinted = (1 - opacity) * drawn[mask] + opacity * np.array(colour_of(number), dtype=np.float32)
        drawn[mask] = np.rint(tinted).astype(np.uint8)
    for number, mask in enumerate(masks):
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(drawn, outlines, -1, colour_of(number), width, cv2.LINE_AA)
    return drawn


def colour_of(number: int) -> tuple[int, int, int]:
    """Return the colour of a sentence, counted from 0."""
    return COLOURS_RGB[number % len(COLOURS_RGB)]


def _row(colour: tuple[int, int, int], result: dict[str, Any], share: float, *, tells_presence: bool) -> str:
    area = f"{100 * share:.1f} %" if share else "nothing found"
    ambiguity = _bar(result["ambiguity"]) if share else "–"  # of nothing there is no other reading
    present = f"<td>{_bar(result['present'])}</td>" if tells_presence else ""
    return (
        f'<tr><th scope="row"><i style="background: rgb{colour}"></i>{html.escape(result["sentence"])}</th>'
        f"<td>{_bar(result['score'])}</td>{present}<td>{ambiguity}</td><td>{area}</td></tr>"
    )


def _bar(share: float) -> str:
    return f'<span class="bar" aria-hidden="true"><b style="width: {100 * share:.0f}%"></b></span>{share:.2f}'
