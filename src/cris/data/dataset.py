"""Samples for training and display: an image, a sentence and its mask; stored or rendered."""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cris.data.records import ReferringEntry
from cris.data.samples import Sample, SampleIndex, View
from cris.data.scenes import Scenes
from cris.data.store.reading import StoredDataset
from cris.data.store.shards import Row
from cris.errors import InputError
from cris.masks import decode_rle


class ReferringDataset:
    """Samples of one split of a stored data set; it can be pickled for other processes.

    Raises:
        InputError: the folder is not a data set, or has no such split.
    """

    def __init__(self, folder: Path | str, split: str) -> None:
        self.stored = StoredDataset(folder)
        self.split = split
        self._samples = self.stored.samples(split)
        picture = self._samples.picture.astype(np.int64)
        # an entry begins where another picture or another entry does
        begins = np.diff(picture, prepend=-1) | np.diff(self._samples.entry, prepend=-1)
        self.index = SampleIndex(picture=picture, entry=np.cumsum(begins != 0) - 1)

    def __len__(self) -> int:
        """Return the number of sentences in the split."""
        return len(self._samples)

    def __getitem__(self, place: int) -> Sample:
        """Return the sample at that index; negative ones count from the end."""
        if not -len(self) <= place < len(self):
            raise IndexError(f"index must be within {len(self)} samples of {self.split!r}, got {place}")
        place %= len(self)
        row = self._row(place)
        view = self._view(row, [place])
        return Sample(
            image=view.image,
            sentence=view.sentences[0],
            mask=view.masks[0],
            picture_id=row.picture_id,
            ref_id=self._entry(row, place).ref_id,
        )

    def rows(self) -> list[tuple[StoredDataset, int]]:
        """Return the data set and row of each image, in the order of the index."""
        return [(self.stored, row) for row in np.unique(self.index.picture).tolist()]

    def view(self, samples: Sequence[int], longest: int | None = None) -> View:
        """Return samples of one image, which is decoded once (see `Referring`).

        Raises:
            DamagedImageError: the image or a mask cannot be decoded or has another size than stored.
        """
        return self._view(self._row(samples[0]), samples, longest)

    def _view(self, row: Row, samples: Sequence[int], longest: int | None = None) -> View:
        image, reduction = self.stored.decode(row, longest)
        entries = [self._entry(row, sample) for sample in samples]
        distinct = list(dict.fromkeys(entry.object_ids for entry in entries))
        return View(
            image=image,
            sentences=tuple(
                entry.sentences[int(self._samples.sentence[sample])]
                for entry, sample in zip(entries, samples, strict=True)
            ),
            masks=tuple(self._mask(row, ids) for ids in distinct),
            meant=tuple(distinct.index(entry.object_ids) for entry in entries),
            reduction=reduction,
        )

    def _mask(self, row: Row, object_ids: tuple[int, ...]) -> Bool[np.ndarray, "height width"]:
        try:
            meant = [decode_rle(rle) for rle in row.rles(object_ids)]
        except InputError as error:
            raise self.stored.damaged(row, f"a mask of the objects {object_ids}: {error}") from error
        sizes = {mask.shape for mask in meant} - {row.size}
        if sizes:
            raise self.stored.damaged(
                row, f"masks must have the picture's height and width {row.size}, got {sizes.pop()}"
            )
        return reduce(np.logical_or, meant) if meant else np.zeros(row.size, dtype=bool)

    def _row(self, sample: int) -> Row:
        return self.stored.row(int(self._samples.picture[sample]))

    def _entry(self, row: Row, sample: int) -> ReferringEntry:
        return row.entry(int(self._samples.entry[sample]))


class SceneDataset:
    """Scenes as a data set like any other: one sample each, and more sentences of a scene on request."""

    def __init__(self, scenes: Scenes) -> None:
        self.scenes = scenes
        places = np.arange(len(scenes))
        self.index = SampleIndex(picture=places, entry=places)

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.scenes)

    def __getitem__(self, place: int) -> Sample:
        """Return the sample at that index; negative ones count from the end."""
        sample = self.scenes[place]
        number = place % len(self)
        return Sample(
            image=sample.image,
            sentence=sample.sentence,
            mask=sample.mask,
            picture_id=number,
            ref_id=number,
        )

    def view(self, samples: Sequence[int], longest: int | None = None) -> View:
        """Return a scene with a distinct sentence for each time its sample is named, if it has so many."""
        scene = self.scenes.scene(samples[0], len(samples))
        distinct = list(dict.fromkeys(expression.targets for expression in scene.expressions))
        masks = {expression.targets: scene.mask(expression) for expression in scene.expressions}
        return View(
            image=scene.image,
            sentences=tuple(expression.sentence for expression in scene.expressions),
            masks=tuple(masks[targets] for targets in distinct),
            meant=tuple(distinct.index(expression.targets) for expression in scene.expressions),
        )
