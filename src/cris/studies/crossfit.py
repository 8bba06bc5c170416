"""Cross-fitting: every image is judged by a model that was trained on the others."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int64

from cris.config_file import StoredConfig
from cris.data.dataset import Dataset, SampleIndex
from cris.data.subset import Subset
from cris.errors import InputError
from cris.segmenter import Segmenter
from cris.training.config import TrainConfig
from cris.training.loop import Outcome, fit
from cris.training.recipes import finetune
from cris.training.setup import InitialWeights, Setup, build_model
from cris.training.state import last_checkpoint

_LEARNING_RATE = 5e-5


@dataclass(frozen=True, kw_only=True)
class FoldTraining:
    """Training of each fold's model."""

    start: InitialWeights
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
        usual = int(np.median(np.unique(index.image, return_counts=True)[1]))
        sentences = min(usual, recipe.sampling.sentences)
        images = recipe.sampling.pictures * recipe.sampling.sentences // sentences
        return replace(
            recipe,
            steps=self.steps,
            seed=self.seed,
            device=self.device,
            data=(f"{fingerprint}, all but fold {fold}",),
            start_sha256=self.start.fingerprint,
            keep=0,
            sampling=replace(recipe.sampling, pictures=images, sentences=sentences, flip_probability=0.5),
            optimizer=replace(recipe.optimizer, learning_rate=_LEARNING_RATE),
            schedule=replace(recipe.schedule, warmup_steps=min(50, self.steps // 5)),
            validation=replace(recipe.validation, every=self.steps, samples=1, choose_threshold=False),
        )


def deal_folds(images: Int64[np.ndarray, "samples"], folds: int, seed: int) -> Int64[np.ndarray, "samples"]:
    """Return the fold of each sample, which is that of its image; folds differ by one image at most.

    Raises:
        InputError: there are fewer images than folds, or fewer than two folds.
    """
    known, owner = np.unique(images, return_inverse=True)
    if not 2 <= folds <= len(known):
        raise InputError(f"folds must be 2 to the {len(known)} images there are, got {folds}")
    dealt = np.empty(len(known), dtype=np.int64)
    dealt[np.random.default_rng(seed).permutation(len(known))] = np.arange(len(known)) % folds
    return dealt[owner]


def fit_fold(
    training: FoldTraining,
    whole: Dataset,
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
    part = Subset(whole, places)
    setup = Setup(
        training=part,
        validation=part,
        tokenizer=training.start.checkpoint.tokenizer,
        fingerprints=(fingerprint,),
    )
    config = training.config(part.index, fold, fingerprint)
    outcome = fit(config, build_model(config, training.start), setup, out, progress=progress)
    return Segmenter.from_pretrained(last_checkpoint(out), training.device), outcome
