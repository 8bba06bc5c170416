"""The real photographs as a stored data set, with real sentences that belong to other photographs."""

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from pycocotools.coco import COCO

from cris.data.records import ImageRecord, ObjectRecord, ReferringEntry
from cris.data.store.manifest import SourceInfo
from cris.data.store.writing import write_dataset
from cris.masks import Rle

SENTENCES_EACH = 3


def real_sentences(real: Path) -> list[str]:
    """Sentences that people wrote for RefCOCOg."""
    sentences = json.loads((real / "refcocog_sentences.json").read_text(encoding="utf-8"))["sentences"]
    assert len(sentences) == 4401
    return sentences


def real_records(real: Path) -> Iterable[ImageRecord]:
    """Every photograph, and an entry of three sentences for each object that is no crowd."""
    coco, sentences = COCO(real / "instances.json"), iter(real_sentences(real))
    for picture_id in sorted(coco.imgs):
        info = coco.imgs[picture_id]
        objects = []
        for each in sorted(coco.imgToAnns[picture_id], key=lambda each: each["id"]):
            rle = coco.annToRLE(each)
            objects.append(
                ObjectRecord(
                    id=each["id"],
                    category=coco.cats[each["category_id"]]["name"],
                    box=tuple(map(float, each["bbox"])),
                    rle=Rle(size=list(rle["size"]), counts=rle["counts"].decode("ascii")),
                    area=float(each["area"]),
                    is_crowd=bool(each["iscrowd"]),
                )
            )
        yield ImageRecord(
            picture_id=picture_id,
            file_name=info["file_name"],
            height=info["height"],
            width=info["width"],
            image=(real / "images" / info["file_name"]).read_bytes(),
            objects=tuple(objects),
            entries=tuple(
                ReferringEntry(
                    ref_id=each.id,
                    object_ids=(each.id,),
                    sentences=tuple(islice(sentences, SENTENCES_EACH)),
                    split="train",
                )
                for each in objects
                if not each.is_crowd
            ),
        )


def write_real(real: Path, out: Path) -> Path:
    """Stores them all under the split "train"."""
    source = SourceInfo(kind="coco")
    write_dataset(out, lambda done: islice(real_records(real), done, None), source, command="tests")
    return out
