"""Sampling order of a training run: decided by a seed, at any position, for any process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from cris.data.dataset import SampleIndex
from cris.errors import InputError

Rule = Literal["one sentence per object", "all sentences", "k sentences per picture"]
"""Contents of an epoch, see `epoch_groups`."""


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """Samples of one image that share one reading of it."""

    position: int
    """Position in the stream of all epochs; with the seed it decides every random choice about the group."""
    samples: tuple[int, ...]
    """Indices in the data set."""


def epoch_groups(
    index: SampleIndex,
    rule: Rule,
    sentences: int,
    seed: int,
    epoch: int,
    repeats: Int64[np.ndarray, "images"] | None = None,
) -> Int64[np.ndarray, "groups sentences"]:
    """Return the samples of an epoch, a row for each group, in shuffled order.

    one sentence per object: of each object another one at random (as released; `sentences` must be 1).
    all sentences: each once (`sentences` must be 1).
    k sentences per picture: of each image `sentences` at random, different ones while it has them and
        always as many, because BatchNorm's statistics then weigh every image alike.

    With `repeats`, the groups of each image come that often, with other sentences while there are.
    """
    random = np.random.default_rng((seed, epoch))
    times = _times(index, rule, repeats)
    if rule == "all sentences":
        return random.permutation(np.repeat(np.arange(len(index)), times))[:, None]
    owner = index.entry if rule == "one sentence per object" else index.image
    order = np.lexsort((random.random(len(index)), owner))
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    counts = np.diff(starts, append=len(owner))
    turns = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    starts, counts = np.repeat(starts, times)[:, None], np.repeat(counts, times)[:, None]
    places = starts + (turns[:, None] * sentences + np.arange(sentences)) % counts
    return random.permutation(order[places])


def _times(
    index: SampleIndex, rule: Rule, repeats: Int64[np.ndarray, "images"] | None
) -> Int64[np.ndarray, "owners"]:
    """Return how often each sample, object or image occurs in an epoch, as the rule has it."""
    starts = np.arange(len(index))
    if rule != "all sentences":
        owner = index.entry if rule == "one sentence per object" else index.image
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
    if repeats is None:
        return np.ones(len(starts), dtype=np.int64)
    images = np.cumsum(np.diff(index.image, prepend=-1) != 0) - 1
    return np.asarray(repeats[images[starts]])


class Stream:
    """Endless batches of groups, epoch after epoch, of which each process takes its share.

    An epoch's last batch is filled from the next epoch, so every group comes once an epoch whatever the batch
    and the number of processes are, and both may change when a run goes on. Collages take the place of some
    groups, another one each time: which ones follows from the seed and the position.
    """

    def __init__(
        self,
        index: SampleIndex,
        rule: Rule,
        *,
        sentences: int = 1,
        seed: int = 0,
        repeats: Int64[np.ndarray, "images"] | None = None,
        collages: int = 0,
        collage_share: float = 0.0,
    ) -> None:
        """Take how often each image occurs in an epoch, and how many collages follow the samples."""
        if sentences < 1 or (sentences > 1 and rule != "k sentences per picture"):
            raise InputError(f"{rule} takes at least one sentence at a time, one of them, got {sentences}")
        if not len(index):
            raise InputError("there is nothing to sample: expected one sentence or more, got none")
        if not 0 <= collage_share <= 1 or (collage_share and not collages):
            raise InputError(
                f"collage_share must be 0 to 1, and 0 without collages, got {collage_share} of {collages:,}"
            )
        self.index = index
        self.rule: Rule = rule
        self.repeats = repeats
        self.collages = collages
        self.collage_share = collage_share
        self.sentences = sentences
        self.seed = seed
        self._groups_per_epoch = int(_times(index, rule, repeats).sum())
        self._epoch = -1
        self._groups = np.empty((0, sentences), dtype=np.int64)

    @property
    def groups_per_epoch(self) -> int:
        """Return the number of groups: one per object, sentence or image, by the rule, times its repeats."""
        return self._groups_per_epoch

    def group(self, position: int) -> SampleGroup:
        """Return the group at that position of the stream."""
        if self._is_collage(position):
            return SampleGroup(position, (len(self.index) + position % self.collages,) * self.sentences)
        epoch, place = divmod(position, self.groups_per_epoch)
        if epoch != self._epoch:
            self._groups = epoch_groups(self.index, self.rule, self.sentences, self.seed, epoch, self.repeats)
            self._epoch = epoch
        return SampleGroup(position, tuple(self._groups[place].tolist()))

    def batches(
        self, position: int, groups: int, rank: int = 0, processes: int = 1
    ) -> Iterator[list[SampleGroup]]:
        """Yield, from a position on, this process's part of batches of `groups` groups over all processes."""
        share = groups // processes
        while True:
            first = position + rank * share
            yield [self.group(place) for place in range(first, first + share)]
            position += groups

    def _is_collage(self, position: int) -> bool:
        if not self.collage_share:
            return False
        # three numbers as the seed, of which the last is no count of sentences: no other draw has the same
        return np.random.default_rng((self.seed, position, 0)).random() < self.collage_share
