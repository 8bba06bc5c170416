"""Opener of data sets, from what a user names."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cris.data.dataset import Dataset
from cris.data.rendered import SCENES, SceneDataset
from cris.data.scenes import SCENES_VERSION, Scenes
from cris.data.subset import first
from cris.errors import InputError

if TYPE_CHECKING:
    from cris.data.store.manifest import Manifest

Source = str | Path
Data = Source | Sequence[Source] | Mapping[str, Dataset]
"""Folder of a data set or its address on the hub, several for their union, "scenes", or data sets of the
caller's by their splits."""


def open_dataset(data: Data, split: str = "val", limit: int | None = None, *, seed: int = 0) -> Dataset:
    """Return one split of a data set.

    Args:
        data: a folder that `cris data` wrote, one that `cris data push` put on the Hugging Face hub,
            hf://datasets/OWNER/NAME@REVISION, several for their union, "scenes", or data sets of your own:
            `{"train": mine, "val": other}`.
        split: part of it: train, val, test, …
        limit: first samples to take, where not all.
        seed: another one gives other scenes; stored data sets know none.

    Raises:
        InputError: the folder is no data set, or there is no such split, or nothing in it.
    """
    if isinstance(data, Mapping):
        if split not in data:
            raise InputError(f"split must be one of {', '.join(sorted(data))}, got {split!r}")
        return first(data[split], limit)
    return first(_opened(sources_of(data), split, seed), limit)


def sources_of(data: Source | Sequence[Source]) -> list[Source]:
    """Return one source or several as a list."""
    return [data] if isinstance(data, str | Path) else list(data)


def splits_of(data: Data) -> set[str]:
    """Return the names of the splits; raises as `manifest_of`."""
    if isinstance(data, Mapping):
        return set(data)
    return {split for source in sources_of(data) for split in manifest_of(source).splits}


def fingerprints_of(data: Data) -> tuple[str, ...]:
    """Return the fingerprint of each data set: other samples have another; raises as `manifest_of`."""
    if isinstance(data, Mapping):
        told = json.dumps({split: each.identity for split, each in data.items()}, sort_keys=True)
        return (hashlib.sha256(told.encode()).hexdigest(),)
    return tuple(manifest_of(source).fingerprint for source in sources_of(data))


def hub_names_of(data: Data) -> tuple[str, ...]:
    """Return OWNER/NAME of each data set that came from the hub; raises as `manifest_of`."""
    if isinstance(data, Mapping):
        return ()
    names = (manifest_of(source).hub_name for source in sources_of(data))
    return tuple(name for name in names if name)


def _opened(sources: Sequence[Source], split: str, seed: int) -> Dataset:
    if sources == [SCENES]:
        return SceneDataset(Scenes(split, seed=seed))
    if SCENES in sources:
        told = " ".join(map(str, sources))
        raise InputError(f"scenes stand alone, got {told}: make a data set by cris data scenes")
    from cris.data.stored import StoredSplit  # scenes need no pyarrow
    from cris.data.union import open_union

    folders = [folder_of(source) for source in sources]
    dataset = StoredSplit(folders[0], split) if len(folders) == 1 else open_union(folders, split)
    if not len(dataset):
        raise InputError(f"split {split!r} of {dataset.name} has no sentences: there is nothing in it")
    return dataset


def folder_of(source: Source) -> Path:
    """Return the folder of a stored data set, downloaded when it is an address on the hub."""
    if not str(source).startswith("hf:"):
        return Path(source)
    from cris.data.sources.hub.published import fetch_dataset

    return fetch_dataset(str(source))


def is_rendered(source: Source) -> bool:
    """Return whether the data set is made as it is needed, so that nothing of it is stored."""
    return source == SCENES


def is_dataset(source: Source) -> bool:
    """Return whether there is such a data set."""
    if is_rendered(source):
        return True
    from cris.data.store.manifest import MANIFEST

    return str(source).startswith("hf:") or (Path(source) / MANIFEST).is_file()


def manifest_of(source: Source) -> "Manifest":
    """Return the manifest of a data set's folder, or what it would say of scenes.

    Raises:
        InputError: the folder is no data set.
    """
    from cris import __version__
    from cris.data.store.manifest import Manifest, SourceInfo, SplitCounts, read_manifest
    from cris.data.store.schema import SCHEMA_VERSION

    if not is_rendered(source):
        return read_manifest(folder_of(source))
    sizes = {split: len(Scenes(split)) for split in ("train", "val", "test")}
    return Manifest(
        schema_version=SCHEMA_VERSION,
        cris_version=__version__,
        command="rendering scenes as they are needed",
        source=SourceInfo(kind=SCENES),
        fingerprint=f"scenes {SCENES_VERSION}",
        pictures=sum(sizes.values()),
        objects=sum(sizes.values()),
        splits={
            split: SplitCounts(pictures=size, entries=size, objects=size, sentences=size)
            for split, size in sizes.items()
        },
        files=(),
    )
