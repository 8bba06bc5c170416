"""Stored images followed by collages."""

from collections.abc import Sequence

from cris.data.collages.dataset import Collages
from cris.data.samples import Referring, Sample, View


class MixedDataset:
    """Samples of a data set, then collages; the index covers the former alone (see `Stream`)."""

    def __init__(self, stored: Referring, collages: Collages) -> None:
        self.stored = stored
        self.collages = collages
        self.index = stored.index

    def __len__(self) -> int:
        """Return the number of samples, collages included."""
        return len(self.stored) + len(self.collages)

    def __getitem__(self, place: int) -> Sample:
        """Return the sample at that index; negative ones count from the end."""
        place += len(self) if place < 0 else 0
        first = len(self.stored)
        return self.stored[place] if place < first else self.collages[place - first]

    def view(self, samples: Sequence[int], longest: int | None = None) -> View:
        """Return samples of one image, or sentences of one collage (see `Referring`)."""
        first = len(self.stored)
        if samples[0] < first:
            return self.stored.view(samples, longest)
        return self.collages.view([sample - first for sample in samples], longest)
