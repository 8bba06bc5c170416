"""Card of a data set on the Hugging Face hub: what it holds, and how `datasets` reads it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cris.card import TAGS, add_fields, field_names
from cris.data.store.layouts import CONFIGS, datasets_schema
from cris.data.store.manifest import Manifest
from cris.errors import InputError

_MADE_HERE = ("dataset_info", "configs")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_BODY = """
# {name}

Images with sentences that refer to what is in them, and a mask of each object: {images:,} images, {objects:,}
objects. Made by cris {version} (`cris data {kind}`).

| split | images | entries | sentences |
|---|---|---|---|
{rows}

A row is an image with what one split says of it. `objects` have a box (left, top, width, height, in pixels)
and a mask as COCO's run lengths: `pycocotools.mask.decode(rle)` reads it. `entries` are what sentences mean:
the ids of no object, of one or of several.

```python
from datasets import load_dataset

load_dataset("{repository}")  # images decoded, splits by name
```

```python
import cris

cris.open_dataset("hf://datasets/{repository}@COMMIT", "{split}")  # a commit of this page, which never moves
```
"""


def dataset_card(folder: Path, manifest: Manifest, repository: str, own: str = "") -> str:
    """Return the card for a folder that `export` wrote as `datasets` reads it.

    Args:
        folder: the folder.
        manifest: that of the data set.
        repository: OWNER/NAME on the hub.
        own: a card to use instead of the usual one; what `datasets` needs is added to its fields.

    Raises:
        InputError: the own card has fields that are written here.
    """
    if taken := [name for name in field_names(own) if name in _MADE_HERE]:
        raise InputError(
            f"the card must leave {' and '.join(taken)} to cris: remove that from its front matter"
        )
    (config,) = json.loads((folder / CONFIGS).read_text(encoding="utf-8"))["configs"]
    splits = [_split(folder, **each) for each in config["data_files"]]
    files = [folder / name for each in config["data_files"] for name in each["path"]]
    rows = (
        f"| {name} | {counts.pictures:,} | {counts.entries:,} | {counts.sentences:,} |"
        for name, counts in manifest.splits.items()
    )
    body = _BODY.format(
        name=repository.partition("/")[2],
        images=manifest.pictures,
        objects=manifest.objects,
        version=manifest.cris_version,
        kind=manifest.source.kind,
        rows="\n".join(rows),
        repository=repository,
        split=next(iter(manifest.splits)),
    )
    images = sum(each["num_examples"] for each in splits)
    fields = {
        "pretty_name": repository.partition("/")[2],
        "task_categories": ["image-segmentation"],
        "tags": list(TAGS),
        "size_categories": [next((name for limit, name in _SIZES if images < limit), "n>1M")],
        "dataset_info": {
            "features": [{"name": field.name, **_feature(field)} for field in datasets_schema()],
            "splits": splits,
            "download_size": sum(path.stat().st_size for path in files),
            "dataset_size": sum(each["num_bytes"] for each in splits),
        },
        "configs": [config],
    }
    return add_fields(own or body.lstrip("\n"), fields)


def _split(folder: Path, split: str, path: list[str]) -> dict[str, Any]:
    """Return what the metadata say of a split: its rows, and their bytes before compression."""
    found = [pq.read_metadata(folder / name) for name in path]
    groups = [each.row_group(number) for each in found for number in range(each.num_row_groups)]
    return {
        "name": split,
        "num_bytes": sum(group.total_byte_size for group in groups),
        "num_examples": sum(each.num_rows for each in found),
    }


def _feature(field: pa.Field) -> dict[str, Any]:
    """Return a column's type as the card has it."""
    return {"dtype": "image"} if field.name == "image" else _type(field.type)


def _type(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"struct": [{"name": each.name, **_type(each.type)} for each in kind]}
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        inner = _type(kind.value_type)
        if "struct" in inner:
            return {"list": inner["struct"]}
        length = {"length": kind.list_size} if pa.types.is_fixed_size_list(kind) else {}
        return {"sequence": inner["dtype"], **length}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind))}
