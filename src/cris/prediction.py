"""Prediction of the model: a mask with its probability, score and box, ready to draw and to store."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8
from PIL import Image

from cris.ambiguity import Check, ambiguity, gather
from cris.calibration import IDENTITY, Calibration
from cris.conversions import coco_fields, outlines_of, to_detections, to_label_studio, to_png
from cris.errors import InputError
from cris.files import atomic_file
from cris.guided_filter import GuidedFilter
from cris.letterbox import Placement
from cris.masks import Rle, box_of, encode_rle, parts_of
from cris.model.output import ModelOutput

if TYPE_CHECKING:
    from supervision import Detections

ImageForm = Literal["mask", "overlay", "cutout"]
_SHOWN_PIXELS = 800
"""Longer side of a prediction in a notebook, in pixels."""
_STRIP_PIXELS = 2**22
"""Pixels of an overlay that are drawn at a time, for the sake of memory."""
_LIGHT_RGB = (255, 72, 118)
"""Colour of what is found: rare in images, and bright on dark ground as on light."""
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, BT.601


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Prediction:
    """Pixels that one sentence refers to in one image."""

    sentence: str
    """Sentence, as it was asked."""
    mask: Bool[np.ndarray, "height width"]
    """Mask at the image's own size, after EXIF rotation: True where the sentence means the pixel."""
    score: float
    """Confidence in the mask, from 0 to 1: once calibrated, the chance that its IoU is above 0.5.

    0 when no pixel is above the model's threshold; low, but kept, when a mask is empty for want of a peak.
    """
    image: UInt8[np.ndarray, "height width 3"]
    """Segmented image, in RGB; shared by all predictions of one image."""
    grid: Float32[np.ndarray, "rows columns"]
    """Probabilities of the model, one for each 4×4 pixels of its input; others' models have finer ones."""
    letterbox: Placement
    """Placement of the image in the grid."""
    check: Check | None = None
    """Stability of the answer under small changes; None until `cris.agreement` has asked."""
    present: float | None = None
    """Probability that the sentence means anything in the image; None of models that do not tell.

    The second answer's probability times the highest of a cell: the two err in different sentences.
    """
    peak_threshold: float = 0.0
    """Probability that one must exceed, or the mask is empty, as `InferenceConfig` has it."""
    presence_threshold: float = 0.0
    """Probability that `present` must exceed, or the mask is empty, as `InferenceConfig` has it."""
    calibration: Calibration = IDENTITY
    """Calibration that made the score of the raw one."""
    certainty: float = 1.0
    """Share by which the score is multiplied: how sure a detector is of its box; 1 without a detector."""

    def __repr__(self) -> str:
        """Return what matters in one line, without the arrays."""
        height, width = self.mask.shape
        where = "nothing found" if self.box is None else f"box {self.box}"
        return f"Prediction({self.sentence!r}, score {self.score:.3f}, {where}, {width}×{height} pixels)"

    @classmethod
    def from_output(
        cls,
        output: ModelOutput,
        *,
        sentence: str,
        image: UInt8[np.ndarray, "height width 3"],
        letterbox: Placement,
        threshold: float,
        relative_threshold: float = 1.0,
        peak_threshold: float = 0.0,
        presence_threshold: float = 0.0,
        calibration: Calibration = IDENTITY,
        guided_filter: GuidedFilter | None = None,
        certainty: float = 1.0,
    ) -> "Prediction":
        """Return what a model's answer to one sentence amounts to; thresholds are those of `InferenceConfig`.

        Raises InputError for logits that are not finite.
        """
        (logits,) = output.logits
        presence = output.presence
        if not np.isfinite(logits).all() or (presence is not None and not np.isfinite(presence)):
            raise InputError(
                "the model's answer is not finite: its weights are damaged, or training diverged"
            )
        grid = _sigmoid(logits)
        if guided_filter is not None:
            grid[letterbox.cells] = guided_filter(np.ascontiguousarray(grid[letterbox.cells]))
        answer = cls(
            sentence=sentence,
            mask=np.zeros(image.shape[:2], dtype=bool),
            score=0.0,
            image=image,
            grid=grid,
            letterbox=letterbox,
            present=None if presence is None else float(_sigmoid(presence) * grid[letterbox.cells].max()),
            peak_threshold=peak_threshold,
            presence_threshold=presence_threshold,
            calibration=calibration,
            certainty=certainty,
        )
        return answer.at_threshold(cut_of(answer.peak, threshold, relative_threshold))

    @property
    def probability(self) -> Float32[np.ndarray, "height width"]:
        """Return the probability map at the image's own size, in [0, 1]; computed at each call: keep it."""
        values = self.letterbox.restore(self.grid)
        return np.clip(values, 0, 1, out=values)

    @property
    def peak(self) -> float:
        """Return the highest probability of a cell on the image."""
        return float(self.grid[self.letterbox.cells].max())

    @property
    def is_present(self) -> bool:
        """Return whether peak and presence exceed their thresholds: if not, every mask is empty."""
        return self.peak > self.peak_threshold and (
            self.present is None or self.present > self.presence_threshold
        )

    @property
    def ambiguity(self) -> float:
        """Return the chance that the sentence fits several things, from 0 to 1; surer for a checked answer.

        From the answer and the sentence, without knowing what is meant: see docs/ambiguity.md.
        """
        return ambiguity(gather(self.grid[self.letterbox.cells], self.sentence, self.check))

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Return the mask's left, top, right, bottom in pixels, the last two excluded; None if empty."""
        return box_of(self.mask)

    @property
    def area(self) -> int:
        """Return the number of the mask's pixels."""
        return int(np.count_nonzero(self.mask))

    def parts(self, min_area: float | int = 0.02) -> list["Prediction"]:
        """Return the separate regions of the mask, the largest first, each as a prediction of its own.

        Each has its own `mask`, `box` and `area`; the score is that of the whole mask.

        Args:
            min_area: pixels that a part must have; below 1 the share that it must have of the largest part's
                area. Smaller ones are taken for specks.

        Raises InputError for a negative area.
        """
        if not min_area >= 0:
            raise InputError(f"min_area must be 0 pixels or more, got {min_area}")
        return [replace(self, mask=mask) for mask in parts_of(self.mask, min_area)]

    def at_threshold(self, threshold: float) -> "Prediction":
        """Return what the same answer finds at another threshold, with the score of that mask.

        Raises InputError for a threshold that is no probability.
        """
        (found,) = self.at_thresholds([threshold])
        return found

    def at_thresholds(self, thresholds: Iterable[float]) -> Iterator["Prediction"]:
        """Yield what `at_threshold` returns for each; the answer is brought to the image's size once."""
        values, cells = self.letterbox.restore(self.grid), self.grid[self.letterbox.cells]
        for threshold in thresholds:
            if not 0 <= threshold <= 1:
                raise InputError(f"a threshold must be from 0 to 1, got {threshold}")
            mask = values > threshold
            raw = self.certainty * expected_iou(cells, threshold) if mask.any() else 0.0
            if not self.is_present:
                mask = np.zeros_like(mask)
            yield replace(self, mask=mask, score=self.calibration(raw))

    def at_least(self, min_score: float) -> "Prediction":
        """Return this prediction, or, when its score is lower, one that finds nothing and keeps the score.

        Raises InputError for a score that is no share.
        """
        if not 0 <= min_score <= 1:
            raise InputError(f"a least score must be from 0 to 1, got {min_score}")
        return self if self.score >= min_score else replace(self, mask=np.zeros_like(self.mask))

    def to_rle(self) -> Rle:
        """Return the mask in COCO's run-length encoding."""
        return encode_rle(self.mask)

    def to_dict(self) -> dict[str, Any]:
        """Return a dict for JSON: `sentence`, `score`, `box` ([left, top, right, bottom] or None), `rle`.

        `rle` holds `size` ([height, width], in pixels) and `counts`, as in COCO. A model that tells presence
        adds `present`.
        """
        box = self.box
        return {
            "sentence": self.sentence,
            "score": self.score,
            **({} if self.present is None else {"present": self.present}),
            "box": None if box is None else list(box),
            "rle": dict(self.to_rle()),
        }

    def overlay(self) -> Image.Image:
        """Return the image with what was found lit up and outlined, the rest dimmed."""
        return highlight(self.image, self.mask)

    def cutout(self) -> Image.Image:
        """Return the image as RGBA, at its own size, with all but what was found transparent."""
        return cut_out(self.image, self.mask)

    def render(self, form: ImageForm) -> Image.Image:
        """Return what was found as an image: the mask in black and white, the overlay, or the cut-out."""
        match form:
            case "mask":
                return Image.fromarray(self.mask.astype(np.uint8) * np.uint8(255))
            case "overlay":
                return self.overlay()
            case "cutout":
                return self.cutout()
        raise InputError(f"form must be mask, overlay or cutout, got {form!r}")

    def polygons(self) -> list[Int32[np.ndarray, "corners 2"]]:
        """Return the outer outline of each part of the mask: corners x, y in pixels; holes are left out."""
        return outlines_of(self.mask)

    def to_detections(self, *, parts: bool = False) -> "Detections":
        """Return `supervision.Detections`, one for each part if asked.

        `cris.conversions.to_detections` takes several predictions.

        Raises InputError when supervision is not installed.
        """
        return to_detections([self], parts=parts)

    def to_coco(self) -> dict[str, Any]:
        """Return a COCO annotation without its ids; `cris.conversions.to_coco` makes a whole document.

        One of each part is `[part.to_coco() for part in prediction.parts()]`.
        """
        return coco_fields(self)

    def to_label_studio(self, image: str, *, parts: bool = False) -> dict[str, Any]:
        """Return a Label Studio task about the image at this URL, with a region for each part if asked.

        See `cris.conversions.to_label_studio`.
        """
        return to_label_studio(image, [self], parts=parts)

    def _repr_png_(self) -> bytes:
        """Return the overlay, at most 800 pixels wide and high, for notebooks."""
        image = self.overlay()
        image.thumbnail((_SHOWN_PIXELS, _SHOWN_PIXELS))
        return to_png(image)

    def save(self, path: str | Path) -> None:
        """Write the mask as a PNG of 0 and 255; a file that was there is replaced only when all is written.

        Raises:
            InputError: the path does not end in .png.
            OSError: it cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise InputError(
                f"a mask is saved as .png, got {path}: for an image of it use overlay().save(path)"
            )
        with atomic_file(path) as partial, partial.open("wb") as file:
            self.render("mask").save(file, format="PNG")


def cut_of(peak: float, threshold: float, relative_threshold: float) -> float:
    """Return the probability at which a mask with this peak is cut, as `InferenceConfig` has it.

    A relative threshold of 1 has to be told apart: resizing overshoots the peak.
    """
    return min(threshold, relative_threshold * peak) if relative_threshold < 1 else threshold


def _sigmoid(values: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(0.5 * values)  # without overflow


def highlight(
    image: UInt8[np.ndarray, "height width 3"], mask: Bool[np.ndarray, "height width"]
) -> Image.Image:
    """Return the image with the mask lit up and outlined, the rest dimmed."""
    found = mask.view(np.uint8)
    contours, _ = cv2.findContours(found, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    height, width = found.shape
    line = max(1, round(min(height, width) / 200))  # its width in pixels
    lit = Image.new("RGB", (width, height))
    rows, margin = max(1, _STRIP_PIXELS // width), 2 * line + 2
    for top in range(0, height, rows):
        begin, end = max(0, top - margin), top + rows + margin  # lines reach in from beside the strip
        strip = image[begin:end]
        drawn = cv2.transform(strip, _dimmed())
        cv2.copyTo(cv2.transform(strip, _tinted()), found[begin:end], drawn)
        for colour, thickness in ((_LIGHT_RGB, 2 * line), ((255, 255, 255), line)):
            cv2.drawContours(drawn, contours, -1, colour, thickness, cv2.LINE_AA, offset=(0, -begin))
        lit.paste(Image.fromarray(drawn[top - begin :][:rows]), (0, top))
    return lit


def cut_out(
    image: UInt8[np.ndarray, "height width 3"], mask: Bool[np.ndarray, "height width"]
) -> Image.Image:
    """Return the image as RGBA with all but the mask transparent, and black where it is."""
    alpha = mask.astype(np.uint8) * np.uint8(255)
    return Image.fromarray(np.dstack([image * mask[..., None], alpha]))


def expected_iou(probability: Float32[np.ndarray, "rows columns"], threshold: float) -> float:
    """Return the raw score: the IoU that the mask p > threshold has if the probabilities p are true.

    Of each cell in the mask a share p is then right, and of each other cell a share p is missing: the
    intersection is Σ p over the mask, the union the mask and Σ p outside it. In [0, 1]; 0 for an empty mask.
    """
    is_inside = probability > threshold
    intersection = probability[is_inside].sum(dtype=np.float64)
    union = is_inside.sum() + probability[~is_inside].sum(dtype=np.float64)
    return float(intersection / union) if intersection else 0.0


def _dimmed() -> np.ndarray:
    """Return the colours six tenths as bright, and half as colourful."""
    return 0.6 * (0.5 * np.eye(3, 4) + 0.5 * np.array([[*_LUMA, 0]] * 3))


def _tinted() -> np.ndarray:
    """Return the colours with a little light on them, so that they stay what the sentence calls them."""
    return np.column_stack([0.95 * np.eye(3), 0.12 * np.array(_LIGHT_RGB)])
