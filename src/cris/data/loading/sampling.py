"""Sampling order of a training run: decided by a seed, at any position, for any process."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from cris.data.dataset import SampleIndex, in_turn
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
    shares: Float64[np.ndarray, "3"] | None = None,
) -> Int64[np.ndarray, "groups sentences"]:
    """Return the samples of an epoch, a row for each group, in shuffled order.

    one sentence per object: of each object another one at random (as released; `sentences` must be 1).
    all sentences: each once (`sentences` must be 1).
    k sentences per picture: of each image `sentences` at random, different ones while it has them and
        always as many, because BatchNorm's statistics then weigh every image alike.

    With `repeats`, the groups of each image come that often, with other sentences while there are. With
    `shares`, the third rule draws sentences of none, one and several objects in these shares, as nearly as
    the images have them.
    """
    random = np.random.default_rng((seed, epoch))
    times = _times(index, rule, repeats)
    if rule == "all sentences":
        return random.permutation(np.repeat(np.arange(len(index)), times))[:, None]
    owner = index.entry if rule == "one sentence per object" else index.image
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    counts = np.diff(starts, append=len(owner))
    order = _shuffled_within(owner, counts, random)
    turns = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    columns = np.arange(sentences if counts.max() > 1 else 1)  # a million scenes have one sentence each
    starts, counts = np.repeat(starts, times)[:, None], np.repeat(counts, times)[:, None]
    groups = order[starts + (turns[:, None] * sentences + columns) % counts]
    shape = len(groups), sentences
    if shares is not None:
        groups = _in_shares(index, np.broadcast_to(groups, shape), shares, random)
    return np.broadcast_to(random.permutation(groups), shape)


def _shuffled_within(
    owner: Int64[np.ndarray, "samples"], counts: Int64[np.ndarray, "owners"], random: np.random.Generator
) -> Int64[np.ndarray, "samples"]:
    """Return all samples, those of each owner together and in random order."""
    keys = random.random(len(owner))
    order: np.ndarray
    if (counts == counts[0]).all():  # the same as below, in a tenth of the time
        rows = np.argsort(keys.reshape(len(counts), -1), axis=1, kind="stable")
        order = (rows + counts[0] * np.arange(len(counts))[:, None]).ravel()
    else:
        order = np.lexsort((keys, owner))
    return order


def _in_shares(
    index: SampleIndex,
    groups: Int64[np.ndarray, "groups sentences"],
    shares: Float64[np.ndarray, "3"],
    random: np.random.Generator,
) -> Int64[np.ndarray, "groups sentences"]:
    """Return groups of the same images, with sentences of none, one and several objects in these shares."""
    kinds = kinds_of(index)
    order = np.lexsort((random.random(len(index)), kinds, index.image))
    counts = np.bincount(3 * index.image + kinds, minlength=3 * (int(index.image[-1]) + 1))
    starts, counts = (column.reshape(-1, 3) for column in (np.cumsum(counts) - counts, counts))
    images = index.image[groups[:, 0]]
    chances = _chances(counts[images] > 0, shares)
    drawn = (random.random(groups.shape)[..., None] < chances.cumsum(1)[:, None]).argmax(axis=2)
    found = np.empty_like(groups)
    for kind in range(3):
        is_kind = drawn == kind
        turns = is_kind.cumsum(axis=1) + random.integers(len(index), size=(len(groups), 1))
        rows, columns = np.nonzero(is_kind)
        first, count = starts[images[rows], kind], counts[images[rows], kind]
        found[rows, columns] = order[first + turns[rows, columns] % count]
    return found


def _chances(
    has: Bool[np.ndarray, "groups 3"], shares: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "groups 3"]:
    """Return each group's chances of the three kinds; their means come near the shares (raking)."""
    wanted, factors = np.maximum(shares, 1e-9), np.ones(3)
    chances: Float64[np.ndarray, "groups 3"] = has * wanted
    for _ in range(50):
        weights = has * wanted * factors
        chances = weights / weights.sum(axis=1, keepdims=True)
        factors *= wanted / np.maximum(chances.mean(axis=0), 1e-12)
        factors /= factors.max()
    last = 2 - has[:, ::-1].argmax(axis=1)  # sums may fall short of 1 in the last bit
    chances[np.arange(len(has)), last] += 1e-9
    return chances


def kinds_of(index: SampleIndex) -> Int64[np.ndarray, "samples"]:
    """Return 0, 1 or 2 for each sample: it means nothing, one object, or several."""
    assert index.targets is not None
    return np.asarray(np.minimum(index.targets, 2))


def wanted_shares(
    index: SampleIndex, no_target: float | None, several_targets: float | None
) -> Float64[np.ndarray, "3"] | None:
    """Return the shares of sentences of none, one and several objects; None where nothing is asked for.

    What is not asked for shares the rest as the data has it.

    Raises:
        InputError: the shares exceed 1, or there are no such sentences.
    """
    asked = {0: no_target, 2: several_targets}
    given = {kind: share for kind, share in asked.items() if share is not None}
    if not given:
        return None
    if index.targets is None:
        raise InputError(
            "sampling.no_target_share and several_targets_share need data that tells beforehand how many "
            "objects each sentence means (SampleIndex.targets): leave them out"
        )
    found = np.bincount(kinds_of(index), minlength=3)
    for kind, share in given.items():
        if share and not found[kind]:
            name, what = ("no_target", "no object") if kind == 0 else ("several_targets", "several objects")
            raise InputError(
                f"sampling.{name}_share {share:g} needs sentences that mean {what}, got none among "
                f"{len(index):,}: add some, or leave it out"
            )
    rest, others = 1 - sum(given.values()), [kind for kind in range(3) if kind not in given]
    if rest < 0 or (rest > 0 and not found[others].sum()):
        raise InputError(
            f"sampling.no_target_share and several_targets_share must leave the other sentences their share, "
            f"got {no_target} and {several_targets}"
        )
    shares = np.zeros(3)
    shares[list(given)] = list(given.values())
    shares[others] = rest * found[others] / max(1, found[others].sum())
    return shares


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
        shares: Float64[np.ndarray, "3"] | None = None,
    ) -> None:
        """Take how often each image occurs in an epoch, and how many collages follow the samples.

        `shares` are those of sentences that mean none, one and several objects; None: as images have them.
        """
        if shares is not None and rule != "k sentences per picture":
            raise InputError(
                "sampling.no_target_share and several_targets_share need the rule k sentences per picture, "
                f"got {rule}: leave them out"
            )
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
        self.shares = shares
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
            self._groups = epoch_groups(
                self.index, self.rule, self.sentences, self.seed, epoch, self.repeats, self.shares
            )
            self._epoch = epoch
        distinct = list(dict.fromkeys(self._groups[place].tolist()))
        return SampleGroup(
            position, tuple(in_turn(distinct, self.sentences))
        )  # repeated as views repeat them

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
