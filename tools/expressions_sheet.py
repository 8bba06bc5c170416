"""Draws made sentences with their masks on sheets, to be looked at.

python tools/expressions_sheet.py --instances instances.json --images DIR --out sheet.png
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cris.data.annotations.instances import read_instances
from cris.data.expressions import CategoryStats, Wishes, expressions_of
from cris.image import read_image
from cris.masks import decode_rle

TILE, CAPTION, COLUMNS = 380, 22, 5  # pixels, pixels, tiles


def main() -> None:
    """Chooses `count` sentences by the seed and writes an image of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plural", action="store_true")
    parser.add_argument("--no-target", action="store_true")
    parser.add_argument("--for-training", action="store_true")
    arguments = parser.parse_args()
    wishes = Wishes(
        sentences_per_object=12 if arguments.for_training else 5,
        is_plural_wanted=arguments.plural,
        is_no_target_wanted=arguments.no_target,
        is_for_training=arguments.for_training,
    )
    instances = read_instances(arguments.instances)
    category_stats = CategoryStats.of(instances)
    made: list[tuple[np.ndarray, np.ndarray, str]] = []
    for picture_id, info in sorted(instances.images.items()):
        objects = [each.object(info) for each in instances.of_image(picture_id)]
        image = read_image(arguments.images / info.file_name)
        masks = {each.id: decode_rle(each.rle) for each in objects}
        for expression in expressions_of(objects, image, category_stats, wishes, picture_id, info.annotated):
            mask = np.zeros(image.shape[:2], dtype=bool)
            for object_id in expression.object_ids:
                mask |= masks[object_id]
            made.append((image, mask, f"{len(made)} {expression.sentence}"))
    chosen = random.Random(arguments.seed).sample(made, min(arguments.count, len(made)))
    rows = -(-len(chosen) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE, rows * (TILE + CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (image, mask, caption) in enumerate(chosen):
        left, top = place % COLUMNS * TILE, place // COLUMNS * (TILE + CAPTION)
        sheet.paste(_tile(image, mask), (left, top + CAPTION))
        draw.text((left + 4, top + 4), caption, fill="black", font_size=15)
    sheet.save(arguments.out)


def _tile(image: np.ndarray, mask: np.ndarray) -> Image.Image:
    """Return the image with what is meant outlined and tinted."""
    drawn = image.copy()
    drawn[mask] = (0.65 * drawn[mask] + 0.35 * np.array([255, 0, 160])).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, (255, 255, 0), max(2, image.shape[1] // 250))
    tile = Image.fromarray(drawn)
    tile.thumbnail((TILE - 6, TILE - 6))
    return tile


if __name__ == "__main__":
    main()
