"""Which samples a training run sees, in what order: decided by a seed, at any position, for any process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from cris.data.samples import SampleIndex
from cris.errors import InputError

Rule = Literal["one sentence per object", "all sentences", "k sentences per picture"]
"""What an epoch holds, see `epoch_groups`."""


@dataclass(frozen=True, slots=True)
class Group:
    """Samples of one picture that share one reading of it."""

    position: int
    """In the stream of all epochs; with the seed it decides every random choice about the group."""
    samples: tuple[int, ...]
    """Indices in the data set."""


def epoch_groups(
    index: SampleIndex, rule: Rule, sentences: int, seed: int, epoch: int
) -> Int64[np.ndarray, "groups sentences"]:
    """The samples of an epoch, a row for each group, in their shuffled order.

    one sentence per object: of each object another one at random (as released; `sentences` must be 1).
    all sentences: each once (`sentences` must be 1).
    k sentences per picture: of each picture `sentences` at random, different ones while it has them and
        always as many, because BatchNorm's statistics then weigh every picture alike.
    """
    random = np.random.default_rng((seed, epoch))
    if rule == "all sentences":
        return random.permutation(len(index))[:, None]
    owner = index.entry if rule == "one sentence per object" else index.picture
    order = np.lexsort((random.random(len(index)), owner))
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    counts = np.diff(starts, append=len(owner))
    places = starts[:, None] + np.arange(sentences) % counts[:, None]
    return random.permutation(order[places])


class Stream:
    """Endless batches of groups, epoch after epoch, of which each process takes its share.

    An epoch's last batch is filled from the next epoch, so every group comes once an epoch whatever the batch
    and the number of processes are, and both may change when a run goes on.
    """

    def __init__(self, index: SampleIndex, rule: Rule, *, sentences: int = 1, seed: int = 0) -> None:
        if sentences < 1 or (sentences > 1 and rule != "k sentences per picture"):
            raise InputError(f"{rule} takes at least one sentence at a time, one of them, got {sentences}")
        if not len(index):
            raise InputError("there is nothing to sample: expected one sentence or more, got none")
        self.index = index
        self.rule: Rule = rule
        self.sentences = sentences
        self.seed = seed
        self._epoch = -1
        self._groups = np.empty((0, sentences), dtype=np.int64)

    @property
    def groups_per_epoch(self) -> int:
        """One for each object, sentence or picture, as the rule has it."""
        if self.rule == "all sentences":
            return len(self.index)
        owner = self.index.entry if self.rule == "one sentence per object" else self.index.picture
        return int(np.count_nonzero(np.diff(owner, prepend=-1)))

    def group(self, position: int) -> Group:
        """The group at that place of the stream."""
        epoch, place = divmod(position, self.groups_per_epoch)
        if epoch != self._epoch:
            self._groups = epoch_groups(self.index, self.rule, self.sentences, self.seed, epoch)
            self._epoch = epoch
        return Group(position, tuple(self._groups[place].tolist()))

    def batches(self, position: int, groups: int, rank: int = 0, processes: int = 1) -> Iterator[list[Group]]:
        """From a position on, this process's part of batches of `groups` groups over all processes."""
        share = groups // processes
        while True:
            first = position + rank * share
            yield [self.group(place) for place in range(first, first + share)]
            position += groups
