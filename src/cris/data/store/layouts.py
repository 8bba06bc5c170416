"""Data sets in the layouts of other tools: COCO with sentences, REFER, Hugging Face's `datasets`."""

import json
import pickle
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cris.data.paths import check_relative
from cris.data.records import ImageRecord
from cris.data.store.reading import StoredDataset
from cris.data.store.schema import SCHEMA, to_batch
from cris.errors import InputError

IMAGES = "images.zip"
CONFIGS = ".huggingface.yaml"
"""File in which `datasets` looks for the files of each split; readers of Parquet folders skip it."""
ORDER = "cris_order"
"""Metadata of a Parquet file of a split: for each row the image's index in the data set, and the places of
these entries among the image's."""
SHARD_ROWS = 1000
"""Number of images in a Parquet file of a split."""
_ROWS_TOGETHER = 64
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""Type that `datasets` reads as an image."""


def write_coco(dataset: StoredDataset, folder: Path) -> Iterator[int]:
    """Write images.zip, instances_SPLIT.json and sentences_SPLIT.jsonl, as `cris data coco` takes them."""
    categories = _categories(dataset)
    instances: dict[str, dict[str, list[Any]]] = {
        split: {"images": [], "annotations": [], "categories": _named(categories)}
        for split in dataset.manifest.splits
    }
    sentences: dict[str, list[str]] = {split: [] for split in dataset.manifest.splits}
    with _Images(folder) as images:
        for index, record in enumerate(dataset):
            name = images.add(record)
            for split in dict.fromkeys(entry.split for entry in record.entries):
                instances[split]["images"].append(_image(record, name))
                instances[split]["annotations"] += _annotations(record, categories)
            for entry in record.entries:
                ids = list(entry.object_ids)
                meant = ids[0] if len(ids) == 1 else ids
                rows = ({"image": name, "annotation_id": meant, "sentence": each} for each in entry.sentences)
                sentences[entry.split] += [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
            yield index
    for split in dataset.manifest.splits:
        _write_json(folder / f"instances_{split}.json", instances[split])
        (folder / f"sentences_{split}.jsonl").write_text("".join(sentences[split]), encoding="utf-8")


def write_refer(dataset: StoredDataset, folder: Path) -> Iterator[int]:
    """Write refs(cris).p, instances.json and images.zip, as the REFER API and `cris data refer` read them.

    An entry that means one object has its id, as in RefCOCO; others have a list, as in
    gRefCOCO, [-1] for nothing.
    """
    categories = _categories(dataset)
    content: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": _named(categories)}
    references: list[dict[str, Any]] = []
    spoken = 0
    with _Images(folder) as images:
        for index, record in enumerate(dataset):
            name = images.add(record)
            content["images"].append(_image(record, name))
            content["annotations"] += _annotations(record, categories)
            of = {each.id: categories[each.category] for each in record.objects}
            for entry in record.entries:
                ids = list(entry.object_ids)
                numbers = range(spoken, spoken + len(entry.sentences))
                spoken += len(entry.sentences)
                references.append(
                    {
                        "ref_id": entry.ref_id,
                        "image_id": record.picture_id,
                        "file_name": name,
                        "split": entry.split,
                        "ann_id": ids[0] if len(ids) == 1 else ids or [-1],
                        "category_id": of[ids[0]] if ids else -1,
                        "sent_ids": list(numbers),
                        "sentences": [
                            {"sent_id": number, "raw": text, "sent": text, "tokens": text.split()}
                            for number, text in zip(numbers, entry.sentences, strict=True)
                        ],
                    }
                )
            yield index
    _write_json(folder / "instances.json", content)
    (folder / "refs(cris).p").write_bytes(pickle.dumps(references, protocol=2))


def write_datasets(dataset: StoredDataset, folder: Path) -> Iterator[int]:
    """Write SPLIT-00000-of-00001.parquet, which `datasets.load_dataset(FOLDER)` opens by split.

    The columns are those of the stored form, but `image` is what `datasets` decodes, and `entries` are those
    of the split. Which files are of which split is written down: by their names alone `datasets` would leave
    out testA and take val-doubtful for a part of val.

    Raises:
        InputError: two splits would have the same name in `datasets`, which knows letters, digits and _ only.
    """
    names = _split_names(dataset.manifest.splits)
    writers = {
        split: _SplitWriter(folder, split, counts.pictures)
        for split, counts in dataset.manifest.splits.items()
    }
    for index, record in enumerate(dataset):
        for split in dict.fromkeys(entry.split for entry in record.entries):
            writers[split].add(record, index)
        yield index
    for writer in writers.values():
        writer.close()
    files = [{"split": names[split], "path": writer.files} for split, writer in writers.items()]
    # JSON is YAML, too, and keeps a split that is called `no` from being a boolean
    _write_json(folder / CONFIGS, {"configs": [{"config_name": "default", "data_files": files}]})


def _split_names(splits: Iterable[str]) -> dict[str, str]:
    names = {split: re.sub(r"\W", "_", split) for split in splits}
    if alike := [split for split, name in names.items() if list(names.values()).count(name) > 1]:
        raise InputError(
            f"the splits {' and '.join(alike)} have the same name in datasets: rename one of them"
        )
    return names


class _SplitWriter:
    """Parquet files of a split."""

    def __init__(self, folder: Path, split: str, images: int) -> None:
        self.files: list[str] = []
        self._folder, self._split = folder, split
        self._shards = -(-images // SHARD_ROWS)
        self._schema = datasets_schema()
        self._number = 0
        self._written = 0
        self._waiting: list[ImageRecord] = []
        self._order: list[tuple[int, list[int]]] = []
        self._file: pq.ParquetWriter | None = None

    def add(self, record: ImageRecord, index: int) -> None:
        """Add what the image at that index has of the split, as a row."""
        self._waiting.append(record.of_split(self._split))
        self._order.append((index, record.places_of(self._split)))
        is_full = self._written + len(self._waiting) == SHARD_ROWS
        if is_full or len(self._waiting) == _ROWS_TOGETHER:
            self._flush()
        if is_full:
            self.close()

    def close(self) -> None:
        """Close the file that is being written, if any."""
        if self._waiting:
            self._flush()
        if self._file is not None:
            self._file.add_key_value_metadata({ORDER: json.dumps(self._order)})
            self._file.close()
            self._file, self._number, self._written = None, self._number + 1, 0
            self._order = []

    def _flush(self) -> None:
        if self._file is None:
            name = f"{self._split}-{self._number:05d}-of-{self._shards:05d}.parquet"
            self._file = pq.ParquetWriter(self._folder / name, self._schema, compression="zstd")
            self.files.append(name)
        batch = to_batch(self._waiting)
        rows = [{"bytes": each.image, "path": each.file_name} for each in self._waiting]
        columns = [
            pa.array(rows, _IMAGE) if name == "image" else batch.column(name) for name in self._schema.names
        ]
        self._file.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._written += len(self._waiting)
        self._waiting = []


def datasets_schema() -> pa.Schema:
    """Return the stored form's schema, with images as `datasets` has them, and the metadata that says so."""
    fields = [pa.field("image", _IMAGE) if field.name == "image" else field for field in SCHEMA]
    features = {field.name: _feature(field.type) for field in SCHEMA} | {"image": {"_type": "Image"}}
    note = json.dumps({"info": {"features": features}})
    return pa.schema(fields, metadata={**SCHEMA.metadata, b"huggingface": note.encode()})


def _feature(kind: pa.DataType) -> Any:
    """Return a type as the metadata has it."""
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        length = kind.list_size if pa.types.is_fixed_size_list(kind) else -1
        if pa.types.is_struct(kind.value_type):
            return [_feature(kind.value_type)]
        return {"feature": _feature(kind.value_type), "length": length, "_type": "Sequence"}
    names = {"double": "float64"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}


class _Images:
    """A zip of the encoded images, not compressed again, in which no two have the same name."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / IMAGES
        self._names: set[str] = set()

    def __enter__(self) -> "_Images":
        self._zip = zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED)
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, record: ImageRecord) -> str:
        """Write an image and return its name: its own, with its id before it where that is taken."""
        check_relative(record.file_name)
        is_taken = record.file_name.casefold() in self._names
        name = f"{record.picture_id}-{Path(record.file_name).name}" if is_taken else record.file_name
        self._names.add(name.casefold())
        self._zip.writestr(zipfile.ZipInfo(name), record.image)  # without a time: the same data, the same zip
        return name


def _categories(dataset: StoredDataset) -> dict[str, int]:
    """Return name → id, from 1 in alphabetical order; read by column, as images are not needed."""
    names: set[str] = set()
    for shard in range(len(dataset.manifest.files)):
        names |= set(dataset.batch(shard).column("objects").flatten().field("category").to_pylist())
    return {name: number for number, name in enumerate(sorted(names), start=1)}


def _named(categories: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"id": number, "name": name} for name, number in categories.items()]


def _image(record: ImageRecord, name: str) -> dict[str, Any]:
    annotated = {} if record.annotated is None else {"annotated": list(record.annotated)}
    size = {"height": record.height, "width": record.width}
    return {"id": record.picture_id, "file_name": name, **size, **annotated}


def _annotations(record: ImageRecord, categories: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "image_id": record.picture_id,
            "category_id": categories[each.category],
            "bbox": list(each.box),
            "area": each.area,
            "iscrowd": int(each.is_crowd),
            "segmentation": {"size": list(each.rle["size"]), "counts": each.rle["counts"]},
        }
        for each in record.objects
    ]


def _write_json(path: Path, content: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file)
