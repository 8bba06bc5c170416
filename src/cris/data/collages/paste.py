"""Pasting of a cut-out into an image: scaled, mirrored, lit like its new surroundings, with a soft edge."""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cris.data.collages.cutouts import Cutout
from cris.data.scenes.draws import Draws

Pixels = UInt8[np.ndarray, "height width *channels"]

MIN_SCALE, MAX_SCALE = 0.2, 0.6
"""Range of the longer side of what is pasted, as shares of the image's mean side."""
MAX_ENLARGEMENT = 1.5
MIN_INSIDE = 0.85
"""Least share of it that is inside the image."""
MIRRORED_SHARE = 0.5
MAX_GAIN = 1.6
"""Largest factor by which its brightness changes, up or down."""
MAX_CONTRAST = 1.25
"""Largest factor by which its deviation from the mean changes, up or down."""
HALF = 128
"""Opacity, of 255, from which on a pixel belongs to the mask."""


def paste(
    image: UInt8[np.ndarray, "height width 3"], cutout: Cutout, draws: Draws
) -> list[Bool[np.ndarray, "height width"]]:
    """Draw the cut-out onto the image, in place, and return the masks of what is visible of it.

    All arithmetic on pixels uses whole numbers, or operations that OpenCV defines to the bit.
    """
    height, width = image.shape[:2]
    patch, opacity, *carried = _sized(cutout, (height + width) / 2, draws)
    patch = _lit(patch, opacity, image)
    across = _place(width, patch.shape[1], draws)
    down = _place(height, patch.shape[0], draws)
    if _inside_share(opacity, across, down, image.shape) < MIN_INSIDE:
        across = min(max(across, 0), width - patch.shape[1])
        down = min(max(down, 0), height - patch.shape[0])
    rows = slice(max(0, down), min(height, down + patch.shape[0]))
    columns = slice(max(0, across), min(width, across + patch.shape[1]))
    seen = (
        slice(rows.start - down, rows.stop - down),
        slice(columns.start - across, columns.stop - across),
    )
    image[rows, columns] = _blended(image[rows, columns], patch[seen], opacity[seen])
    masks = []
    for part in (opacity, *carried):
        mask = np.zeros((height, width), dtype=bool)
        mask[rows, columns] = np.minimum(part, opacity)[seen] >= HALF
        masks.append(mask)
    return masks


def _sized(cutout: Cutout, mean_side: float, draws: Draws) -> list[Pixels]:
    """Return pixels, opacity and the masks of what lies on it, at the size and orientation drawn."""
    sides = cutout.image.shape[:2]
    wanted = draws.between(MIN_SCALE, MAX_SCALE) * mean_side
    scale = min(wanted / max(sides), MAX_ENLARGEMENT)
    height, width = (max(1, round(scale * side)) for side in sides)
    own, *carried = (_resized(mask.astype(np.uint8) * 255, height, width) for mask in cutout.masks)
    parts = [_resized(cutout.image, height, width), _softened(own >= HALF), *carried]
    return [part[:, ::-1] for part in parts] if draws.chance(MIRRORED_SHARE) else parts


def _resized(pixels: Pixels, height: int, width: int) -> UInt8[np.ndarray, "new_height new_width *channels"]:
    """Halve as often as needed, then interpolate: both in whole numbers."""
    pixels = np.ascontiguousarray(pixels)
    while pixels.shape[0] >= 2 * height and pixels.shape[1] >= 2 * width:
        pixels = cv2.pyrDown(pixels)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)


def _softened(mask: Bool[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Return the opacity: without the outermost pixel, which mixes with its surroundings, and smoothed."""
    inner = cv2.erode(
        mask.astype(np.uint8) * 255,
        cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return cv2.GaussianBlur(inner, (5, 5), 0, borderType=cv2.BORDER_CONSTANT)


def _lit(
    patch: UInt8[np.ndarray, "height width 3"],
    opacity: UInt8[np.ndarray, "height width"],
    image: UInt8[np.ndarray, "image_height image_width 3"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Bring brightness and contrast halfway to the image's; hues stay."""
    mean, deviation = _light(patch, (opacity >= HALF).astype(np.uint8))
    wanted, wanted_deviation = _light(image, None)
    gain = _bounded((mean + wanted) / 2 / max(mean, 1), MAX_GAIN)
    contrast = _bounded((deviation + wanted_deviation) / 2 / max(gain * deviation, 1), MAX_CONTRAST)
    levels = gain * (mean + contrast * (np.arange(256) - mean))
    table = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    return cv2.LUT(patch, table)


def _light(
    image: UInt8[np.ndarray, "height width 3"], mask: UInt8[np.ndarray, "height width"] | None
) -> tuple[float, float]:
    """Return mean and deviation of the luminance."""
    mean, deviation = cv2.meanStdDev(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), mask=mask)
    return float(mean[0, 0]), float(deviation[0, 0])


def _bounded(factor: float, most: float) -> float:
    return min(max(factor, 1 / most), most)


def _place(length: int, side: int, draws: Draws) -> int:
    """Draw where a side of that length begins; it may extend slightly beyond the image."""
    beyond = int((1 - MIN_INSIDE) * side)
    return draws.below(max(1, length - side + 2 * beyond + 1)) - beyond


def _inside_share(
    opacity: UInt8[np.ndarray, "height width"], across: int, down: int, shape: tuple[int, ...]
) -> float:
    seen = opacity[max(0, -down) : shape[0] - down, max(0, -across) : shape[1] - across]
    inside, whole = (int(np.count_nonzero(each >= HALF)) for each in (seen, opacity))
    return inside / max(1, whole)


def _blended(
    below: UInt8[np.ndarray, "height width 3"],
    above: UInt8[np.ndarray, "height width 3"],
    opacity: UInt8[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "height width 3"]:
    alpha = opacity[..., None].astype(np.uint32)
    return np.asarray((alpha * above + (255 - alpha) * below + 127) // 255, dtype=np.uint8)
