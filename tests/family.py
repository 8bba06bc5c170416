"""Small data sets in the exact layouts in which the RefCOCO family lies around, with all that is awkward."""

import io
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pycocotools import mask as coco

CATEGORIES = {1: "person", 18: "dog", 44: "bottle", 62: "chair"}
SPLITS = ("train", "train", "train", "val", "testA", "testB")
WORDS = (
    "left one",
    "der größte Hund",
    "椅子",
    "man's hat",
    '"quoted", with comma',
    "é̂ combined",
    "the 2nd bottle",
)


@dataclass(frozen=True)
class Family:
    """What all the layouts are written from."""

    instances: dict[str, Any]
    """COCO's instances.json."""
    refs: list[dict[str, Any]]
    """As refs(unc).p has them."""
    images: dict[str, bytes]
    """File name → encoded image."""

    def masks(self) -> dict[int, np.ndarray]:
        """Annotation id → mask, by pycocotools alone."""
        sizes = {image["id"]: (image["height"], image["width"]) for image in self.instances["images"]}
        return {
            each["id"]: coco_mask(each["segmentation"], *sizes[each["image_id"]])
            for each in self.instances["annotations"]
        }

    def annotation(self, number: int) -> dict[str, Any]:
        """The annotation of that id."""
        return next(each for each in self.instances["annotations"] if each["id"] == number)

    def write(self, folder: Path) -> tuple[Path, Path, Path]:
        """refs(unc).p as Python 2 wrote it, instances.json and the folder of images."""
        folder.mkdir(parents=True, exist_ok=True)
        refs, instances, images = folder / "refs(unc).p", folder / "instances.json", folder / "images"
        refs.write_bytes(python2_pickle(self.refs, protocol=2))
        instances.write_text(json.dumps(self.instances), encoding="utf-8")
        images.mkdir(exist_ok=True)
        for name, content in self.images.items():
            (images / name).write_bytes(content)
        return refs, instances, images


def coco_mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """As pycocotools' own COCO class does it."""
    if isinstance(segmentation, list):
        rle = coco.merge(coco.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        rle = coco.frPyObjects(segmentation, height, width)
    else:
        rle = segmentation
    return coco.decode(rle).astype(bool)


def make_family(count: int = 40, seed: int = 0) -> Family:
    """Some hundred annotations and sentences."""
    random = np.random.default_rng(seed)
    images, annotations, refs, files = [], [], [], {}
    for number in range(count):
        height, width = (int(side) for side in random.integers(30, 70, 2))
        image_id = 1000 + 7 * (count - number)  # not in the order of the files
        name = f"COCO_train2014_{image_id:012d}.jpg"
        files[name] = encoded(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        images.append({"id": image_id, "file_name": name, "height": height, "width": width, "license": 3})
        for place in range(int(random.integers(2, 6))):
            annotation = _annotation(random, len(annotations), image_id, height, width)
            annotations.append(annotation)
            if place < 3:
                refs.append(_ref(random, len(refs), image_id, annotation, SPLITS[number % len(SPLITS)]))
    categories = [{"id": key, "name": name, "supercategory": "x"} for key, name in CATEGORIES.items()]
    instances = {
        "info": {},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    return Family(instances, refs, files)


def encoded(pixels: np.ndarray, kind: str = "JPEG") -> bytes:
    """The image's file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _annotation(
    random: np.random.Generator, number: int, image_id: int, height: int, width: int
) -> dict[str, Any]:
    kind = number % 5
    is_crowd = kind == 4
    if kind < 3:  # polygons, of one part or several; some reach a little out of the image
        segmentation: Any = [_polygon(random, height, width) for _ in range((1, 3, 1)[kind])]
        points = np.concatenate(segmentation).reshape(-1, 2)
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    else:
        mask = np.zeros((height, width), dtype=np.uint8, order="F")
        top, left = (int(random.integers(0, side - 12)) for side in (height, width))
        bottom, right = top + int(random.integers(2, 12)), left + int(random.integers(2, 12))
        mask[top:bottom, left:right] = random.integers(0, 2, (bottom - top, right - left))
        mask[top, left] = 1
        rle = coco.encode(mask)
        if is_crowd:  # uncompressed, as COCO has its crowds
            segmentation = {"size": [height, width], "counts": _runs(mask)}
        else:
            segmentation = {"size": [height, width], "counts": rle["counts"].decode("ascii")}
    return {
        "id": 500 + 3 * number,
        "image_id": image_id,
        "category_id": int(random.choice(list(CATEGORIES))),
        "bbox": [round(float(side), 2) for side in (left, top, right - left, bottom - top)],
        "area": round(float(random.uniform(1, 99)), 4),
        "iscrowd": int(is_crowd),
        "segmentation": segmentation,
    }


def _polygon(random: np.random.Generator, height: int, width: int) -> list[float]:
    points = random.uniform([-1, -1], [width + 1, height + 1], (int(random.integers(3, 9)), 2))
    return [round(float(number), 2) for number in points.ravel()]


def _runs(mask: np.ndarray) -> list[int]:
    flat = mask.ravel(order="F").astype(np.int8)
    edges = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
    return np.diff([0, *edges, flat.size]).tolist()


def _ref(
    random: np.random.Generator, number: int, image_id: int, annotation: dict[str, Any], split: str
) -> dict[str, Any]:
    sentences = []
    for place in range(int(random.integers(1, 5))):
        text = f"{WORDS[int(random.integers(len(WORDS)))]} {number} {place}"
        sentences.append(
            {"raw": text.title(), "sent": text, "sent_id": 10 * number + place, "tokens": text.split()}
        )
    return {
        "ref_id": 90 + number,
        "ann_id": annotation["id"],
        "image_id": image_id,
        "category_id": annotation["category_id"],
        "split": split,
        "file_name": f"COCO_train2014_{image_id:012d}_{number}.jpg",
        "sent_ids": [sentence["sent_id"] for sentence in sentences],
        "sentences": sentences,
    }


def grefs(family: Family) -> list[dict[str, Any]]:
    """The family's references as grefs(unc).json has them: some of several objects, some of none."""
    rows = []
    for number, ref in enumerate(family.refs):
        ids = [ref["ann_id"]]
        if number % 3 == 1:
            others = [each for each in family.instances["annotations"] if each["image_id"] == ref["image_id"]]
            ids = [each["id"] for each in others]
        if number % 3 == 2:
            ids = [-1]
        categories = [-1 if each == -1 else family.annotation(each)["category_id"] for each in ids]
        rows.append({**ref, "ann_id": ids, "category_id": categories, "no_target": ids == [-1]})
    return rows


def python2_pickle(value: Any, *, protocol: int) -> bytes:
    """As Python 2 wrote it: its `str` are bytes, here UTF-8; ASCII or not."""
    file = io.BytesIO()
    _Python2Pickler(file, protocol, fix_imports=True).dump(value)
    return file.getvalue()


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]  # the one in Python can be altered
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_text(self, text: str) -> None:
        content = text.encode("utf-8")
        if self.proto == 0:
            self.write(b"S" + repr(content)[1:].encode("ascii") + b"\n")
        elif len(content) < 256:
            self.write(b"U" + bytes([len(content)]) + content)
        else:
            self.write(b"T" + len(content).to_bytes(4, "little") + content)
        self.memoize(text)

    dispatch[str] = save_text
