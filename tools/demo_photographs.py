"""Chooses the photographs that come with the package, and writes them with their sentences and credits.

python tools/demo_photographs.py --instances instances.json --images images

The first dozen by id of those under CC BY or without known restrictions of which `cris data coco` makes a
sentence, scaled; nobody looked at what a model finds in them.
"""

import argparse
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from cris.data.records import ImageRecord
from cris.data.sources.coco import convert_coco
from cris.demo.photographs import FOLDER, INDEX
from cris.image import read_image
from cris.masks import decode_rle, encode_rle

COUNT = 12
MAX_SIDE = 480
"""In pixels."""
QUALITY = 85
SENTENCES = 2
"""Sentences of a photograph that mean something."""
ABSENT_EVERY = 3
"""Every so many photographs, one gets a sentence that means nothing in it."""
LICENCES = {4: "CC BY 2.0", 7: "no known copyright restrictions"}
"""Ids of COCO's licences that are taken, and their names."""
LICENCE_URLS = {
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "no known copyright restrictions": "https://www.flickr.com/commons/usage/",
}
CREDITS = """# The photographs

{count} photographs of [COCO 2017](https://cocodataset.org), scaled to at most {side} pixels and saved as
JPEG of quality {quality}; nothing else was changed. COCO records no names: the page of each photograph names
who took it. `photographs.json` has the sentences that `cris data coco` makes of them, and COCO's masks,
scaled (© COCO Consortium, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)).

They are the first by id under these licences of which a sentence is made, chosen by
`tools/demo_photographs.py`.

| file | licence | page | file in COCO |
|---|---|---|---|
{rows}
"""


def main() -> None:
    """Write the folder anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--instances", type=Path, required=True, help="COCO instances JSON with licences")
    parser.add_argument("--images", type=Path, required=True, help="folder of its photographs")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    arguments = parser.parse_args()
    chosen = choose(arguments.instances, arguments.images)
    infos = {info["id"]: info for info in read_infos(arguments.instances)}
    entries = [entry(place, chosen, infos) for place in range(len(chosen))]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for before in arguments.out.glob("*.jpg"):
        before.unlink()
    for record in chosen:
        (arguments.out / f"{record.picture_id:012}.jpg").write_bytes(scaled_jpeg(record))
    index = json.dumps(entries, indent=1, ensure_ascii=False)
    (arguments.out / INDEX).write_text(f"{index}\n", encoding="utf-8", newline="\n")
    (arguments.out / "NOTICE.md").write_text(credits_of(entries), encoding="utf-8", newline="\n")


def read_infos(instances: Path) -> list[dict[str, Any]]:
    """Return what the file says of each image."""
    infos: list[dict[str, Any]] = json.loads(instances.read_text(encoding="utf-8"))["images"]
    return infos


def choose(instances: Path, images: Path) -> list[ImageRecord]:
    """Return the first dozen by id whose licence is taken and of which a sentence is made."""
    taken = {info["id"] for info in read_infos(instances) if info["license"] in LICENCES}
    records = convert_coco(instances, images).images(0)
    return sorted((each for each in records if each.picture_id in taken), key=lambda each: each.picture_id)[
        :COUNT
    ]


def entry(place: int, chosen: Sequence[ImageRecord], infos: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return what the index says of a photograph."""
    record = chosen[place]
    info = infos[record.picture_id]
    asked: list[dict[str, Any]] = [
        {"sentence": sentence, "rle": scaled_rle(record, object_ids)}
        for sentence, object_ids in first_sentences(record)
    ]
    if place % ABSENT_EVERY == 0:
        asked.append({"sentence": f"the {absent_category(place, chosen)}", "rle": None})
    return {
        "id": record.picture_id,
        "licence": LICENCES[info["license"]],
        "source": info["flickr_url"],
        "page": flickr_page(info["flickr_url"]),
        "asked": asked,
    }


def first_sentences(record: ImageRecord) -> list[tuple[str, tuple[int, ...]]]:
    """Return the first sentence of each thing, then the second of each, and so on; the first two of these."""
    rounds = max(len(each.sentences) for each in record.entries)
    said = [
        (each.sentences[number], each.object_ids)
        for number in range(rounds)
        for each in record.entries
        if number < len(each.sentences)
    ]
    return said[:SENTENCES]


def absent_category(place: int, chosen: Sequence[ImageRecord]) -> str:
    """Return the first category meant in the photographs that follow of which this one has nothing."""
    present = {each.category for each in chosen[place].objects}
    following = [*chosen[place + 1 :], *chosen[:place]]
    meant = [
        next(thing.category for thing in record.objects if thing.id == record.entries[0].object_ids[0])
        for record in following
    ]
    return next(category for category in meant if category not in present)


def scaled_size(record: ImageRecord) -> tuple[int, int]:
    """Return width and height, at most MAX_SIDE pixels."""
    scale = min(1.0, MAX_SIDE / max(record.width, record.height))
    return round(record.width * scale), round(record.height * scale)


def scaled_jpeg(record: ImageRecord) -> bytes:
    """Return the photograph as a smaller JPEG."""
    image = Image.fromarray(read_image(record.image)).resize(scaled_size(record), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return buffer.getvalue()


def scaled_rle(record: ImageRecord, object_ids: Sequence[int]) -> dict[str, Any]:
    """Return the mask of these objects at the scaled size: pixels that they cover more than half of."""
    masks = [decode_rle(each.rle) for each in record.objects if each.id in object_ids]
    share = cv2.resize(
        np.logical_or.reduce(masks).astype(np.float32), scaled_size(record), interpolation=cv2.INTER_AREA
    )
    return dict(encode_rle(share > 0.5))


def flickr_page(source: str) -> str:
    """Return the address of a photograph's page, by the number in its file's address."""
    match = re.fullmatch(r"http://farm\d+\.staticflickr\.com/\d+/(\d+)_\w+\.jpg", source)
    if match is None:
        raise SystemExit(f"expected the address of a file at Flickr, got {source}")
    return f"https://www.flickr.com/photo.gne?id={match[1]}"


def credits_of(entries: Sequence[dict[str, Any]]) -> str:
    """Return the credits, as Markdown."""
    rows = [
        f"| `{one['id']:012}.jpg` | [{one['licence']}]({LICENCE_URLS[one['licence']]}) "
        f"| <{one['page']}> | <{one['source']}> |"
        for one in entries
    ]
    return CREDITS.format(count=len(entries), side=MAX_SIDE, quality=QUALITY, rows="\n".join(rows))


if __name__ == "__main__":
    main()
