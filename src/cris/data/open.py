"""Opener of data sets, from what a user names."""

from collections.abc import Sequence
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


def open_dataset(
    data: Source | Sequence[Source], split: str = "val", limit: int | None = None, *, seed: int = 0
) -> Dataset:
    """Return one split of a data set.

    Args:
        data: a folder that `cris data` wrote, several for their union, or "scenes".
        split: part of it: train, val, test, …
        limit: first samples to take, where not all.
        seed: another one gives other scenes; stored data sets know none.

    Raises:
        InputError: the folder is no data set, or there is no such split, or nothing in it.
    """
    sources = [data] if isinstance(data, str | Path) else list(data)
    return first(_opened(sources, split, seed), limit)


def _opened(sources: Sequence[Source], split: str, seed: int) -> Dataset:
    if sources == [SCENES]:
        return SceneDataset(Scenes(split, seed=seed))
    if SCENES in sources:
        told = " ".join(map(str, sources))
        raise InputError(f"scenes stand alone, got {told}: make a data set by cris data scenes")
    from cris.data.stored import StoredSplit  # scenes need no pyarrow
    from cris.data.union import open_union

    dataset = StoredSplit(sources[0], split) if len(sources) == 1 else open_union(sources, split)
    if not len(dataset):
        raise InputError(f"split {split!r} of {dataset.name} has no sentences: there is nothing in it")
    return dataset


def is_dataset(source: Source) -> bool:
    """Return whether there is such a data set."""
    if source == SCENES:
        return True
    from cris.data.store.manifest import MANIFEST

    return (Path(source) / MANIFEST).is_file()


def manifest_of(source: Source) -> "Manifest":
    """Return the manifest of a data set's folder, or what it would say of scenes.

    Raises:
        InputError: the folder is no data set.
    """
    from cris import __version__
    from cris.data.store.manifest import Manifest, SourceInfo, SplitCounts, read_manifest
    from cris.data.store.schema import SCHEMA_VERSION

    if source != SCENES:
        return read_manifest(Path(source))
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
