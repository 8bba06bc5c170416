"""Conversions of predictions for other tools: supervision, COCO, YOLO, Label Studio."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np
from jaxtyping import Bool, Int32
from PIL import Image

from cris.errors import InputError
from cris.masks import Rle

if TYPE_CHECKING:
    import supervision

LabelKind = Literal["brushlabels", "polygonlabels"]
"""Type of a Label Studio region: pixels under a brush, or an outline."""
_POLYGON_ERROR = 0.75
"""Pixels by which Label Studio's polygons may leave the outline, so that few corners are to be moved."""
_RUN_BITS = (3, 4, 8, 16)
"""Label Studio's bit widths for the length of a run; each run names the one it uses."""


class SentenceMask(Protocol):
    """Mask of a sentence in an image, as `cris.Prediction` is one."""

    @property
    def sentence(self) -> str:
        """Return the referring expression."""

    @property
    def mask(self) -> Bool[np.ndarray, "height width"]:
        """Return the mask, at the image's own size."""

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Return left, top, right, bottom in pixels; None where nothing is found."""

    @property
    def area(self) -> int:
        """Return the number of pixels found."""

    @property
    def score(self) -> float:
        """Return the score, from 0 to 1."""

    def parts(self) -> Sequence["SentenceMask"]:
        """Return the separate regions, largest first."""

    def to_rle(self) -> Rle:
        """Return COCO's run lengths."""


def outlines_of(mask: Bool[np.ndarray, "height width"]) -> list[Int32[np.ndarray, "corners 2"]]:
    """Return the outer outline of each part of a mask: corners x, y at pixel centres; holes are left out.

    A part of one or two pixels has so many corners.
    """
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [outline[:, 0] for outline in found]


def to_detections(predictions: Iterable[SentenceMask], *, parts: bool = False) -> "supervision.Detections":
    """Return one image's predictions as `supervision.Detections`, without those that found nothing.

    The class id is the sentence's place in `predictions`, `data["class_name"]` the sentence itself.

    Args:
        predictions: of one image.
        parts: make a detection of each part of a mask (`Prediction.parts`), so that "the two dogs" are two.

    Raises:
        InputError: supervision is not installed, or the predictions are of images of different sizes.
    """
    try:
        import supervision
    except ModuleNotFoundError as error:
        raise InputError("this needs supervision, which is not installed: pip install supervision") from error
    found = _found(_alike(predictions), parts=parts)
    if not found:
        return supervision.Detections.empty()
    return supervision.Detections(
        xyxy=np.array([each.box for _, each in found], dtype=np.float32),
        mask=np.stack([each.mask for _, each in found]),
        confidence=np.array([each.score for _, each in found], dtype=np.float32),
        class_id=np.array([place for place, _ in found]),
        data={"class_name": np.array([each.sentence for _, each in found])},
    )


def to_coco(answers: Iterable[tuple[str, Iterable[SentenceMask]]], *, parts: bool = False) -> dict[str, Any]:
    """Return a COCO document of images, each with its file name and predictions; one category a sentence.

    `json.dump` writes it, pycocotools, FiftyOne and CVAT read it. An empty mask has no annotation, and an
    image without predictions is left out, as nothing tells its size. With `parts` each part of a mask has an
    annotation.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[str, int] = {}
    for name, given in answers:
        if not (predictions := _alike(given)):
            continue
        height, width = predictions[0].mask.shape
        images.append({"id": len(images) + 1, "file_name": name, "height": height, "width": width})
        for each in predictions:
            categories.setdefault(each.sentence, len(categories) + 1)
        for _, each in _found(predictions, parts=parts):
            ids = {
                "id": len(annotations) + 1,
                "image_id": len(images),
                "category_id": categories[each.sentence],
            }
            annotations.append(ids | coco_fields(each))
    return {
        "images": images,
        "categories": [{"id": number, "name": sentence} for sentence, number in categories.items()],
        "annotations": annotations,
    }


def coco_fields(prediction: SentenceMask) -> dict[str, Any]:
    """Return the COCO annotation of a mask: `bbox` (left, top, width, height), `area`, `segmentation`…

    All in pixels; run lengths, as they are exact. `bbox` is all 0 when nothing is found.
    """
    left, top, right, bottom = prediction.box or (0, 0, 0, 0)
    return {
        "bbox": [left, top, right - left, bottom - top],
        "area": prediction.area,
        "segmentation": dict(prediction.to_rle()),
        "iscrowd": 0,
        "score": prediction.score,
    }


def to_yolo(predictions: Iterable[SentenceMask]) -> str:
    """Return the labels of one image as YOLO's segmentation has them: a line for each part of a mask.

    A line is the sentence's place in `predictions`, then the corners' x and y as shares of the image.
    Parts of fewer than three corners are left out, as they have no area.
    """
    return "".join(line for place, each in enumerate(_alike(predictions)) for line in yolo_lines(each, place))


def yolo_lines(prediction: SentenceMask, number: int) -> list[str]:
    """Return the lines of one prediction, whose class has that number; see `to_yolo`."""
    height, width = prediction.mask.shape
    outlines = [each for each in outlines_of(prediction.mask) if len(each) >= 3]
    corners = [(each + 0.5) / (width, height) for each in outlines]
    return [f"{number} {' '.join(f'{share:.6f}' for share in each.ravel())}\n" for each in corners]


def to_png(image: Image.Image) -> bytes:
    """Return the file of an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def to_label_studio(
    image: str, predictions: Iterable[SentenceMask], *, model: str = "cris", parts: bool = False
) -> dict[str, Any]:
    """Return a Label Studio task with masks to correct: import a JSON list of such tasks into a project.

    Args:
        image: URL of the image, as Label Studio sees it.
        predictions: of that image; those that found nothing are left out.
        model: what Label Studio shows as the version of the model.
        parts: make a region of each part of a mask (`Prediction.parts`).

    The project needs `<Image name="image" value="$image"/>` and `<BrushLabels name="tag" toName="image"/>`
    with a label for each sentence.
    """
    found = _found(_alike(predictions), parts=parts)
    seen: Counter[tuple[str, ...]] = Counter()
    return {
        "data": {"image": image},
        "predictions": [
            {
                "model_version": model,
                "score": min((each.score for _, each in found), default=0.0),
                "result": [_region(each, image, seen, parts=parts) for _, each in found],
            }
        ],
    }


def _region(
    prediction: SentenceMask, image: str, seen: Counter[tuple[str, ...]], *, parts: bool
) -> dict[str, Any]:
    """Return the region of a mask, whose id tells it from those with the same key that were seen before."""
    key = (image, prediction.sentence, *([str(prediction.box)] if parts else []))
    seen[key] += 1
    if seen[key] > 1:
        key = (*key, f"again {seen[key]}")
    (region,) = label_studio_regions(prediction.mask, prediction.sentence, score=prediction.score, key=key)
    return region


def label_studio_regions(
    mask: Bool[np.ndarray, "height width"],
    label: str,
    *,
    score: float,
    key: Sequence[str],
    kind: LabelKind = "brushlabels",
    from_name: str = "tag",
    to_name: str = "image",
) -> list[dict[str, Any]]:
    """Return the regions of a mask that Label Studio shows; none for an empty mask.

    Args:
        mask: at the image's own size.
        label: of the regions.
        score: of the mask.
        key: what the regions' ids are made of, so that the same predictions make the same file.
        kind: `brushlabels` gives one region; `polygonlabels` one for each outer outline, whose holes are
            filled, and which is at most 0.75 pixels beside the mask's own; parts a pixel wide are left out.
        from_name: name of the control with the labels.
        to_name: name of the image's tag.
    """
    height, width = mask.shape
    values: list[dict[str, Any]]
    if kind == "polygonlabels":
        values = [{"points": corners, "closed": True} for corners in _percent_polygons(mask)]
    else:
        values = [{"format": "rle", "rle": label_studio_rle(mask)}] if mask.any() else []
    return [
        {
            "id": hashlib.sha256("\0".join([*key, *([str(place)] if place else [])]).encode()).hexdigest()[
                :10
            ],
            "type": kind,
            "from_name": from_name,
            "to_name": to_name,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": score,
            "value": {**value, kind: [label]},
        }
        for place, value in enumerate(values)
    ]


def _percent_polygons(mask: Bool[np.ndarray, "height width"]) -> list[list[list[float]]]:
    height, width = mask.shape
    polygons = []
    for outline in outlines_of(mask):
        simple = cv2.approxPolyDP(outline, _POLYGON_ERROR, closed=True)[:, 0]
        corners = simple if len(simple) >= 3 else outline
        if len(corners) >= 3:
            polygons.append((100 * (corners + 0.5) / (width, height)).round(4).tolist())
    return polygons


def label_studio_rle(mask: Bool[np.ndarray, "height width"]) -> list[int]:
    """Return the mask as Label Studio's brush: @thi.ng/rle-pack's bytes of its RGBA pixels, row by row.

    32 bits say how many values there are, 5 how wide one is, four times 4 how wide lengths may be; then each
    run has a 1, two bits for which of these widths its length has, its length less 1, and its value.
    """
    changes = np.flatnonzero(np.diff(mask.ravel())) + 1
    edges = np.concatenate([[0], changes, [mask.size]])
    bits = [f"{4 * mask.size:032b}", f"{8 - 1:05b}", *(f"{width - 1:04b}" for width in _RUN_BITS)]
    for start, length in zip(edges[:-1].tolist(), (4 * np.diff(edges)).tolist(), strict=True):
        value = 255 * int(mask.flat[start])
        while length:
            run = min(length, 2 ** _RUN_BITS[-1])
            kind = next(place for place, width in enumerate(_RUN_BITS) if run <= 2**width)
            bits.append(f"1{kind:02b}{run - 1:0{_RUN_BITS[kind]}b}{value:08b}")
            length -= run
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _found(predictions: Sequence[SentenceMask], *, parts: bool) -> list[tuple[int, SentenceMask]]:
    """Return what was found, or its parts, each beside its sentence's place in `predictions`."""
    return [
        (place, found)
        for place, each in enumerate(predictions)
        for found in (each.parts() if parts else [each])
        if found.box is not None
    ]


def _alike(predictions: Iterable[SentenceMask]) -> list[SentenceMask]:
    """Return the predictions as a list; raise InputError for masks of different sizes."""
    predictions = list(predictions)
    sizes = sorted({each.mask.shape for each in predictions})
    if len(sizes) > 1:
        raise InputError(f"the predictions must be of one image, got masks of the sizes {sizes}")
    return predictions
