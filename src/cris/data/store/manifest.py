"""manifest.json: a data set's contents, origin, and the sha256 of its shards."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cris import __version__
from cris.data.records import ImageRecord
from cris.data.store.schema import SCHEMA_VERSION
from cris.errors import InputError

MANIFEST = "manifest.json"
_HUB_ADDRESS = re.compile(r"hf://(?:datasets/)?([\w.-]+/[\w.-]+)@")


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """Origin of the rows: everything that decides what they are."""

    kind: str
    """Command that reads such sources: scenes, refer, hub, coco, collages, label."""
    options: dict[str, Any] = field(default_factory=dict)
    """Chosen options; plain JSON values."""
    files: dict[str, str] = field(default_factory=dict)
    """Name of a file that was read → its sha256; images need not be among them."""
    remarks: tuple[str, ...] = ()
    """Notes about the data for the user, a line each."""

    @property
    def fingerprint(self) -> str:
        """Return the sha256 of what decides the rows; two runs of the same source write the same shards."""
        parts = [SCHEMA_VERSION, self.kind, self.options, self.files]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class SplitCounts:
    """Sizes of a split."""

    pictures: int
    entries: int
    objects: int
    """Number of distinct objects that are referred to."""
    sentences: int


@dataclass(frozen=True, kw_only=True)
class ShardInfo:
    """An Arrow IPC file."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows of the source, of one kind, that were invalid."""

    count: int
    first: str
    """Fault of the first row, and its location."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Contents of manifest.json."""

    schema_version: int
    cris_version: str
    command: str
    """Command that made the data set."""
    source: SourceInfo
    fingerprint: str
    """Fingerprint of the source."""
    pictures: int
    objects: int
    splits: dict[str, SplitCounts]
    files: tuple[ShardInfo, ...]
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    """Kind of row, in the plural → what was left out; absent from the file if nothing was."""

    @property
    def hub_name(self) -> str | None:
        """Return OWNER/NAME of the data set on the hub that this one was made of; None for others."""
        found = _HUB_ADDRESS.search(self.command) if self.source.kind == "hub" else None
        return found[1] if found else None


class Counter:
    """Counter of images, objects and splits as records pass."""

    def __init__(self) -> None:
        self.pictures = 0
        self.objects = 0
        self._splits: dict[str, dict[str, int]] = {}

    def add(self, record: ImageRecord) -> None:
        """Count one more image."""
        self.pictures += 1
        self.objects += len(record.objects)
        for split in {entry.split for entry in record.entries}:
            entries = [entry for entry in record.entries if entry.split == split]
            counts = self._splits.setdefault(
                split, {"pictures": 0, "entries": 0, "objects": 0, "sentences": 0}
            )
            counts["pictures"] += 1
            counts["entries"] += len(entries)
            counts["objects"] += len({each for entry in entries for each in entry.object_ids})
            counts["sentences"] += sum(len(entry.sentences) for entry in entries)

    @property
    def splits(self) -> dict[str, SplitCounts]:
        """Return the counts by split name."""
        return {split: SplitCounts(**self._splits[split]) for split in sorted(self._splits)}


def make_manifest(
    source: SourceInfo,
    command: str,
    counter: Counter,
    files: Iterable[ShardInfo],
    left_out: Mapping[str, LeftOut] | None = None,
) -> Manifest:
    """Return the manifest of shards that were just written."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        cris_version=__version__,
        command=command,
        source=source,
        fingerprint=source.fingerprint,
        pictures=counter.pictures,
        objects=counter.objects,
        splits=counter.splits,
        files=tuple(files),
        left_out=dict(left_out or {}),
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json, flushed to the disk."""
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        content = asdict(manifest)
        if not manifest.left_out:
            del content["left_out"]
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Return the contents of a data set's manifest.json.

    Raises:
        InputError: the folder is not a data set, has another schema version, or its manifest is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is no data set: it has no {MANIFEST}; `cris data` makes one")
    try:
        content = json.loads(path.read_bytes())
        version = content["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path} is damaged or no data set's: {error}") from error
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema version must be {SCHEMA_VERSION} for this cris, {__version__}, got {version!r}, "
            f"written by cris {content.get('cris_version')}: use that one, or make the data set again: "
            f"{content.get('command')}"
        )
    try:
        source = content.pop("source")
        files, splits = content.pop("files"), content.pop("splits")
        left_out = content.pop("left_out", {})
        return Manifest(
            **content,
            source=SourceInfo(**(source | {"remarks": tuple(source["remarks"])})),
            files=tuple(ShardInfo(**each) for each in files),
            splits={name: SplitCounts(**counts) for name, counts in splits.items()},
            left_out={kind: LeftOut(**each) for kind, each in left_out.items()},
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
