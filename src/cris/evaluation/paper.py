"""What CRIS (CVPR 2022) reports, and which data set of its family a stored one is."""

import re
from collections.abc import Mapping
from pathlib import Path

from cris.data.annotations.references import SPLIT_SIZES
from cris.data.store.manifest import Manifest
from cris.model.config import BACKBONES, CrisConfig

MEAN_IOU: Mapping[str, Mapping[tuple[str, str], float]] = {
    "RN50": {
        ("refcoco", "val"): 69.52,
        ("refcoco", "testA"): 72.72,
        ("refcoco", "testB"): 64.70,
        ("refcoco+", "val"): 61.39,
        ("refcoco+", "testA"): 67.10,
        ("refcoco+", "testB"): 52.48,
        ("refcocog-umd", "val"): 59.35,
        ("refcocog-umd", "test"): 59.39,
    },
    "RN101": {
        ("refcoco", "val"): 70.47,
        ("refcoco", "testA"): 73.18,
        ("refcoco", "testB"): 66.10,
        ("refcoco+", "val"): 62.27,
        ("refcoco+", "testA"): 68.08,
        ("refcoco+", "testB"): 53.68,
        ("refcocog-umd", "val"): 59.87,
        ("refcocog-umd", "test"): 60.36,
    },
}
"""Image encoder → data set and split → mean IoU in percent (table 3 of the paper)."""
TITLES = {
    "refcoco": "RefCOCO",
    "refcoco+": "RefCOCO+",
    "refcocog-umd": "RefCOCOg (umd)",
    "refcocog-google": "RefCOCOg (google)",
}
_NAME = re.compile(r"(?<![a-z])refcoco(\+|plus|g)?(?![a-z])(?:[-_ ]?(umd|google))?", re.IGNORECASE)


def data_set_of(folder: Path, manifest: Manifest) -> str | None:
    """Which data set of the family a stored one is: by its sizes, its folder's name or its sources' names."""
    entries = {split: counts.entries for split, counts in manifest.splits.items()}
    for name, sizes in SPLIT_SIZES.items():
        if all(entries.get(split) == size for split, size in sizes.items()):
            return name
    for text in (folder.resolve().name, *manifest.source.files):
        if match := _NAME.search(text):
            variant, partition = (part.lower() if part else "" for part in match.groups())
            if variant == "g":
                return f"refcocog-{partition or 'umd'}"
            return "refcoco" if not variant else "refcoco+"
    return None


def backbone_of(config: CrisConfig) -> str | None:
    """The name of a model's image encoder, as CLIP calls it; None for one of other sizes."""
    return next((name for name, known in BACKBONES.items() if known.image == config.image), None)
