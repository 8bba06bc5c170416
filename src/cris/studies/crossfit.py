"""Cross-fitting: every image is judged by a model that was trained on the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int64

from cris.config_file import StoredConfig
from cris.data.samples import Referring, Sample, SampleIndex, View
from cris.errors import InputError
from cris.segmenter import Segmenter
from cris.training.config import TrainConfig
from cris.training.loop import Outcome, fit
from cris.training.material import Material, Start, build_model
from cris.training.recipes import finetune
from cris.training.state import last_checkpoint

_LEARNING_RATE = 5e-5


class Part:
    """Subset of a data set, as a data set of its own; samples of one image must stand together."""

    def __init__(self, whole: Referring, places: Int64[np.ndarray, "part"]) -> None:
        self.whole = whole
        self.places = places
        self.index = SampleIndex(
            picture=_counted(whole.index.picture[places]), entry=_counted(whole.index.entry[places])
        )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.places)

    def __getitem__(self, place: int) -> Sample:
        """Return the sample at that place."""
        return self.whole[int(self.places[place])]

    def view(self, samples: Sequence[int], longest: int | None = None) -> View:
        """Return samples of one image, which is read once (see `Referring`)."""
        return self.whole.view([int(self.places[sample]) for sample in samples], longest)


@dataclass(frozen=True, kw_only=True)
class FoldTraining:
    """Training of each fold's model."""

    start: Start
    """Initial model; it should not have learned from what is judged."""
    steps: int
    """Optimiser steps; 0 judges by the initial model."""
    seed: int
    device: Literal["cpu", "cuda", "auto"]

    def config(self, index: SampleIndex, fold: int, fingerprint: str) -> TrainConfig:
        """Return the finetune recipe, shortened and gentle, without validation.

        A step takes as many sentences as the recipe's, but of no more to an image than most images have:
        more would be the same ones again. At the recipe's own rate a good model learns the wrong labels, too.
        """
        checkpoint = self.start.checkpoint
        assert checkpoint is not None
        recipe = finetune(StoredConfig(model=checkpoint.model.config, inference=checkpoint.inference))
        usual = int(np.median(np.unique(index.picture, return_counts=True)[1]))
        sentences = min(usual, recipe.sampling.sentences)
        pictures = recipe.sampling.pictures * recipe.sampling.sentences // sentences
        return replace(
            recipe,
            steps=self.steps,
            seed=self.seed,
            device=self.device,
            data=(f"{fingerprint}, all but fold {fold}",),
            start_sha256=self.start.fingerprint,
            keep=0,
            sampling=replace(recipe.sampling, pictures=pictures, sentences=sentences, flip_probability=0.5),
            optimizer=replace(recipe.optimizer, learning_rate=_LEARNING_RATE),
            schedule=replace(recipe.schedule, warmup_steps=min(50, self.steps // 5)),
            validation=replace(recipe.validation, every=self.steps, samples=1, choose_threshold=False),
        )


def deal_folds(pictures: Int64[np.ndarray, "samples"], folds: int, seed: int) -> Int64[np.ndarray, "samples"]:
    """Return the fold of each sample, which is that of its image; folds differ by one image at most.

    Raises:
        InputError: there are fewer images than folds, or fewer than two folds.
    """
    known, owner = np.unique(pictures, return_inverse=True)
    if not 2 <= folds <= len(known):
        raise InputError(f"folds must be 2 to the {len(known)} pictures there are, got {folds}")
    dealt = np.empty(len(known), dtype=np.int64)
    dealt[np.random.default_rng(seed).permutation(len(known))] = np.arange(len(known)) % folds
    return dealt[owner]


def fit_fold(
    training: FoldTraining,
    whole: Referring,
    places: Int64[np.ndarray, "part"],
    fold: int,
    fingerprint: str,
    out: Path,
    *,
    progress: bool = True,
) -> tuple[Segmenter, Outcome]:
    """Return a model trained on these samples; `out` keeps the run, so that an interrupted one goes on.

    Raises:
        InputError: `out` holds another run.
    """
    assert training.start.checkpoint is not None
    part = Part(whole, places)
    material = Material(
        training=part,
        validation=part,
        tokenizer=training.start.checkpoint.tokenizer,
        fingerprints=(fingerprint,),
    )
    config = training.config(part.index, fold, fingerprint)
    outcome = fit(config, build_model(config, training.start), material, out, progress=progress)
    return Segmenter.from_pretrained(last_checkpoint(out), training.device), outcome


def _counted(numbers: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """Return the same groups, counted from 0 without gaps in their order."""
    return np.cumsum(np.diff(numbers, prepend=numbers[:1]) != 0)
