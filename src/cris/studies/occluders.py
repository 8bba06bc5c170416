"""Loss of mask quality when part of the target is hidden: measured where it is, and by hiding it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from cris.data.dataset import AnnotatedImage, AnnotatedObject, Dataset
from cris.data.rendered import SceneDataset
from cris.data.scenes import SceneKnobs, Scenes
from cris.data.subset import first
from cris.errors import InputError
from cris.evaluation.bootstrap import mean_interval
from cris.evaluation.rows import Row

VISIBLE_EDGES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Limits of the classes of visible shares."""
_LONGEST = 2.0
"""Largest ratio of an occluder's length to its width."""
_TRIES = 50
"""Number of places looked at for an occluder beside the target."""
Place = Literal["on", "beside"]
NAMES = {"on": "patch on the target", "beside": "patch beside it", "scenes": "covered by other objects"}
"""Measured cases, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Samples with about the same visible share of the target."""

    low: float
    """Visible share of the target from which samples belong to it, 0 to 1."""
    high: float
    count: int
    mean_iou: float
    interval: tuple[float, float] | None
    """95 % interval, resampled by image; None when there are fewer than two images."""
    pr50: float
    """Share of samples whose IoU is above 0.5."""

    def to_dict(self) -> dict[str, Any]:
        """Return the level for JSON."""
        return asdict(self)


def by_visible_share(rows: Sequence[Row], edges: Sequence[float] = VISIBLE_EDGES) -> list[Level]:
    """Return the level of each class of visible shares that has samples; rows without one are left out."""
    levels = []
    for low, high in pairwise(edges):
        is_last = high == edges[-1]
        inside = [
            row
            for row in rows
            if row.visible is not None and low <= row.visible and (row.visible < high or is_last)
        ]
        if inside:
            levels.append(level(inside, low, high))
    return levels


def level(rows: Sequence[Row], low: float, high: float) -> Level:
    """Return the figures of these rows, one or more."""
    ious = np.array([row.iou for row in rows])
    interval = mean_interval(rows, ious.tolist())
    return Level(
        low=low,
        high=high,
        count=len(rows),
        mean_iou=float(ious.mean()),
        interval=None if interval is None else (interval.low, interval.high),
        pr50=float((ious > 0.5).mean()),
    )


def covered(dataset: Dataset, share: float, place: Place, *, seed: int = 0) -> Iterator[AnnotatedImage]:
    """Yield every sentence with a target, its image covered in part by pixels of another image.

    on: a patch hides that share of the target; what is left of it is what the sentence then means.
    beside: the same patch lies where it touches no target, which tells what the patch alone does. A sentence
        whose image has no such place is left out.

    The same seed gives the same patches, whatever the order.

    Raises:
        InputError: the share is not between 0 and 1.
    """
    check_share(share)
    for number in range(dataset.image_count):
        image = dataset.image(number)
        donor = dataset.image((number + 1) % dataset.image_count).image
        for reference in image.references:
            target = image.mask(reference.targets)
            if np.count_nonzero(target) < 2:
                continue
            random = np.random.default_rng((seed, reference.sample))
            patch = draw_patch(target, share, random)
            if place == "beside":
                moved = move_off(patch, target, random)
                if moved is None:
                    continue
                patch = moved
            hidden = np.count_nonzero(target & patch) / np.count_nonzero(target)
            visible = (1.0 if reference.visible is None else reference.visible) * (1 - hidden)
            yield replace(
                image,
                image=paste(image.image, donor, patch),
                objects=tuple(AnnotatedObject(each.category, each.mask & ~patch) for each in image.objects),
                references=(replace(reference, visible=visible),),
            )


def check_share(share: float) -> None:
    """Raise InputError for a share that would hide nothing or all."""
    if not 0 < share < 1:
        raise InputError(f"the share to hide must be above 0 and below 1, got {share}")


def covered_scenes(split: str, low: float, high: float, limit: int) -> Dataset:
    """Return scenes whose targets other objects cover, so that this range of shares shows."""
    return first(SceneDataset(Scenes(split, knobs=SceneKnobs(occluded=(low, high)))), limit)


def draw_patch(
    target: Bool[np.ndarray, "height width"], share: float, random: np.random.Generator
) -> Bool[np.ndarray, "height width"]:
    """Return an ellipse round one of the target's pixels, large enough to hide that share of the target.

    Of its N pixels round(share · N), at least one and not all, and as many more as lie just as far away.
    """
    rows, columns = np.nonzero(target)
    centre = random.integers(len(rows))
    angle, length = random.uniform(0, math.pi), random.uniform(1, _LONGEST)
    distance = _elliptical(target.shape, (rows[centre], columns[centre]), angle, length)
    hidden = min(max(1, round(share * len(rows))), len(rows) - 1)
    reach = np.partition(distance[target], hidden - 1)[hidden - 1]
    return np.asarray(distance <= reach)


def move_off(
    patch: Bool[np.ndarray, "height width"],
    target: Bool[np.ndarray, "height width"],
    random: np.random.Generator,
) -> Bool[np.ndarray, "height width"] | None:
    """Return the patch elsewhere in the image, off the target; None when no place is found."""
    rows, columns = np.nonzero(patch)
    height, width = patch.shape
    for _ in range(_TRIES):
        down = random.integers(-rows.min(), height - rows.max())
        right = random.integers(-columns.min(), width - columns.max())
        if not target[rows + down, columns + right].any():
            moved = np.zeros_like(patch)
            moved[rows + down, columns + right] = True
            return moved
    return None


def paste(
    image: UInt8[np.ndarray, "height width 3"],
    donor: UInt8[np.ndarray, "donor_height donor_width 3"],
    patch: Bool[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the image with the donor's pixels, stretched to its size, where the patch lies."""
    height, width = patch.shape
    stretched = cv2.resize(np.ascontiguousarray(donor), (width, height), interpolation=cv2.INTER_AREA)
    return np.where(patch[..., None], stretched, image)


def _elliptical(
    shape: tuple[int, int], centre: tuple[int, int], angle: float, length: float
) -> Float64[np.ndarray, "height width"]:
    """Return each pixel's distance from the centre, sideways `length` times what it is along the angle."""
    down, right = np.indices(shape, dtype=np.float64)
    down, right = down - centre[0], right - centre[1]
    along = right * math.cos(angle) + down * math.sin(angle)
    across = down * math.cos(angle) - right * math.sin(angle)
    return np.hypot(along, length * across)
