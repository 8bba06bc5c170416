"""Figures that CRIS (CVPR 2022) reports, and the published data set that a stored one is."""

import re
from collections.abc import Mapping
from pathlib import Path

from cris.data.annotations.references import SPLIT_SIZES
from cris.data.dataset import Dataset
from cris.data.rendered import SceneDataset
from cris.data.store.manifest import Manifest
from cris.data.stored import StoredSplit
from cris.data.subset import whole_of
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


def published_name(dataset: Dataset) -> str | None:
    """Return the published data set that a split is of: scenes, or one of the RefCOCO family."""
    match whole_of(dataset):
        case SceneDataset(name=name):
            return name
        case StoredSplit(stored=stored, split=split):
            return data_set_of(stored.folder, stored.manifest, split)
    return None


def data_set_of(folder: Path, manifest: Manifest, split: str) -> str | None:
    """Return which published data set a split of a stored one is of, by how many references it has.

    Where splits of several have as many, the other splits decide, then the names of folder and sources. None
    for a split of any other size, whatever its folder is called: its figures are not those data sets'.
    """
    entries = {name: counts.entries for name, counts in manifest.splits.items()}
    fitting = [name for name, sizes in SPLIT_SIZES.items() if sizes.get(split, -1) == entries.get(split)]
    if len(fitting) > 1:
        whole = [
            name for name in fitting if all(entries.get(s, n) == n for s, n in SPLIT_SIZES[name].items())
        ]
        fitting = whole or fitting
    if len(fitting) > 1:
        names = (family_name(text) for text in (folder.resolve().name, *manifest.source.files))
        fitting = [name for name in names if name in fitting]
    return fitting[0] if fitting else None


def family_name(text: str) -> str | None:
    """Return the data set of the family that a name speaks of; None where it speaks of none."""
    match = _NAME.search(text)
    if match is None:
        return None
    variant, partition = (part.lower() if part else "" for part in match.groups())
    if variant == "g":
        return f"refcocog-{partition or 'umd'}"
    return "refcoco" if not variant else "refcoco+"


def backbone_of(config: CrisConfig) -> str | None:
    """Return the name of a model's image encoder, as CLIP calls it; None for one of other sizes."""
    return next((name for name, known in BACKBONES.items() if known.image == config.image), None)
