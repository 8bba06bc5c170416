"""Inputs of a run: training and validation samples, tokenizer, initial weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from cris.checkpoint import WEIGHTS, Checkpoint, load_checkpoint
from cris.data.collages import COLLAGES_VERSION, Collages
from cris.data.dataset import Dataset
from cris.data.loading.loader import Loader, Prepare
from cris.data.loading.repeats import repeats_of
from cris.data.loading.sampling import Stream, wanted_shares
from cris.data.loading.transforms import ColourJitter, CropAroundTargets, HorizontalFlip, Transform
from cris.data.open import Data, fingerprints_of, hub_names_of, open_dataset, sources_of, splits_of
from cris.data.rendered import SceneDataset
from cris.data.scenes import Scenes
from cris.data.union import UnionDataset
from cris.errors import InputError
from cris.files import sha256_of, whole_folder
from cris.model.build import build_cris
from cris.model.convert import load_clip
from cris.model.cris import Cris
from cris.model.encoders import OwnImageEncoder
from cris.model.tokenizer import Tokenizer
from cris.registry import names_clip, resolve
from cris.training.config import SamplingConfig, TrainConfig
from cris.training.recipes import scenes_tokenizer


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Samples, and the tokenizer to read their sentences with."""

    training: Dataset
    validation: Dataset
    tokenizer: Tokenizer
    fingerprints: tuple[str, ...]
    """Fingerprints of the samples, one for each data set, and one for collages where there are some."""
    repeats: Int64[np.ndarray, "images"] | None = None
    """Number of times that each image comes in an epoch; None: once."""
    shares: Float64[np.ndarray, "3"] | None = None
    """Shares of sentences that mean none, one and several objects; None: as the images have them."""
    collages: Collages | None = None
    """Collages that take the place of some samples; None: of none."""
    hub_data: tuple[str, ...] = ()
    """Names of the data sets that came from the hub, OWNER/NAME, for the model's card."""


def gather_setup(data: Data, config: TrainConfig, start: "InitialWeights | None") -> Setup:
    """Open what is learned from and validated on.

    Raises:
        InputError: one of them cannot be read or lacks a split, the tokenizer does not fit the model, or what
            the sampling asks for cannot be made of these samples.
    """
    own = None if start is None or start.checkpoint is None else start.checkpoint.tokenizer
    return open_setup(data, config, choose_tokenizer(config, own))


def open_setup(data: Data, config: TrainConfig, tokenizer: Tokenizer) -> Setup:
    """Open data sets, to be read with that tokenizer; raises as `gather_setup`."""
    looked_at = config.validation.data or data
    sampling = config.sampling
    training = _open(data, "train", config)
    rows = training.rows()
    for option in ("collage_share", "repeat_threshold"):
        if getattr(sampling, option) and rows is None:
            raise InputError(
                f"sampling.{option} needs photographs and must be 0 for {training.name}: pass --data FOLDER"
            )
    collages = Collages(training, seed=config.seed) if sampling.collage_share else None
    repeats = None
    if rows is not None and sampling.repeat_threshold:
        repeats = repeats_of(rows, training.split, sampling.repeat_threshold, config.seed)
    _check_presence(training, config)
    _check_validation_split(looked_at, config.validation.split)
    return Setup(
        training=training,
        validation=_open(looked_at, config.validation.split, config),
        tokenizer=tokenizer,
        fingerprints=(
            *fingerprints_of(data),
            *([f"collages {COLLAGES_VERSION}"] if collages else []),
        ),
        repeats=repeats,
        shares=None  # scenes are made in these shares
        if isinstance(training, SceneDataset)
        else wanted_shares(training.index, sampling.no_target_share, sampling.several_targets_share),
        collages=collages,
        hub_data=hub_names_of(data),
    )


def _open(data: Data, split: str, config: TrainConfig) -> Dataset:
    """Return a split; scenes say what the sampling asks for, those to train on by the run's seed."""
    dataset = open_dataset(data, split, seed=config.seed if split == "train" else 0)
    sampling = config.sampling
    none, several = sampling.no_target_share, sampling.several_targets_share
    if none is several is None or not isinstance(dataset, SceneDataset):
        return dataset
    scenes = dataset.scenes
    knobs = replace(
        scenes.knobs,
        no_target=scenes.knobs.no_target if none is None else none,
        several_targets=scenes.knobs.several_targets if several is None else several,
    )
    return SceneDataset(Scenes(scenes.split, seed=scenes.seed, size=scenes.size, knobs=knobs))


def _check_presence(training: Dataset, config: TrainConfig) -> None:
    """Raise InputError where the presence loss would see but one kind of sentence; collages have both."""
    if not config.objectives.presence_weight or config.sampling.collage_share:
        return
    if isinstance(training, SceneDataset):
        share = training.scenes.knobs.no_target
        advice = "pass --sampling.no-target-share 0.2"
    elif training.index.targets is None:
        return  # a data set of the caller's, which does not say
    else:
        asked = config.sampling.no_target_share
        share = float(np.mean(training.index.targets == 0)) if asked is None else asked
        advice = "add some (docs/data-format.md)" if asked is None else "change --sampling.no-target-share"
    if share in (0, 1):
        what, got = ("nothing", "none") if not share else ("something", "only such that mean nothing")
        raise InputError(
            f"the presence loss needs sentences that mean {what}, got {got} in {training.name}, "
            f"{training.split}: {advice}, or pass --objectives.presence-weight 0"
        )


def _check_validation_split(data: Data, split: str) -> None:
    known = sorted(splits_of(data))
    if split not in known:
        where = "" if isinstance(data, Mapping) else f" in {' '.join(map(str, sources_of(data)))}"
        other = "train" if "train" in known else min(known, default="")
        raise InputError(
            f"--validation.split must be one of {', '.join(known)}{where}, got {split!r}: "
            f"add images for it, or pass --validation.split {other}"
        )


def build_loader(config: TrainConfig, setup: Setup, *, rank: int = 0, processes: int = 1) -> Loader:
    """Return the batches of one process; each is a part of a step's batch when steps accumulate."""
    sampling = config.sampling
    collages = setup.collages
    return Loader(
        setup.training if collages is None else UnionDataset([setup.training, collages]),
        build_stream(config, setup),
        Prepare(
            tokenizer=setup.tokenizer,
            inference=config.inference,
            target=config.objectives.target,
            transforms=_transforms(sampling),
        ),
        groups=sampling.pictures // config.accumulation,
        workers=sampling.workers,
        rank=rank,
        processes=processes,
    )


def build_stream(config: TrainConfig, setup: Setup) -> Stream:
    """Return the stream that decides which samples come in which order."""
    sampling = config.sampling
    return Stream(
        setup.training.index,
        sampling.rule,
        sentences=sampling.sentences,
        seed=config.seed,
        repeats=setup.repeats,
        collages=0 if setup.collages is None else len(setup.collages),
        collage_share=sampling.collage_share,
        shares=setup.shares,
    )


def _transforms(sampling: SamplingConfig) -> list[Transform]:
    transforms: list[Transform] = []
    if sampling.smallest_crop < 1:
        transforms.append(CropAroundTargets(sampling.smallest_crop))
    if sampling.flip_probability:
        transforms.append(HorizontalFlip(sampling.flip_probability))
    if jitter := sampling.colour_jitter:
        transforms.append(ColourJitter(jitter, jitter, jitter))
    return transforms


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """Initial weights: a checkpoint, or a file of CLIP's."""

    path: Path
    checkpoint: Checkpoint | None
    """Checkpoint; None when the file holds CLIP's weights."""

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights."""
        file = whole_folder(self.path) / WEIGHTS if self.checkpoint else self.path
        return sha256_of(file)


def find_initial_weights(name: str, *, image_encoder: OwnImageEncoder | None = None) -> InitialWeights:
    """Return the weights named: a registered model or CLIP weights, a checkpoint or run folder, or a file.

    A checkpoint that was trained with an image encoder of the caller's needs that encoder.

    Raises:
        InputError: there is no such thing, or it is damaged.
    """
    path = resolve(name, "clip" if names_clip(name) else "model")
    if path.is_file():
        return InitialWeights(path=path, checkpoint=None)
    return InitialWeights(path=path, checkpoint=load_checkpoint(path, image_encoder=image_encoder))


def build_model(
    config: TrainConfig, start: InitialWeights | None, *, image_encoder: OwnImageEncoder | None = None
) -> Cris:
    """Return the model as it is before its first step; fresh weights follow from the seed.

    An image encoder of the caller's takes the place of the configuration's, as `build_cris` says.

    Raises:
        InputError: the weights to begin with have other sizes.
    """
    torch.manual_seed(config.seed)
    if start is None:
        return build_cris(config.model, image_encoder=image_encoder)
    if start.checkpoint is None:
        if image_encoder is not None:
            raise InputError(f"{start.path} has CLIP's image encoder: leave image_encoder out, or --from")
        return load_clip(start.path, config.model)
    model, weights = (
        build_cris(config.model, image_encoder=image_encoder),
        start.checkpoint.model.state_dict(),
    )
    new = model.presence is not None and start.checkpoint.model.presence is None
    for name, ours in model.state_dict().items():
        if new and name.startswith("presence."):
            weights[name] = ours  # a head that the start has not begins fresh
        theirs = weights.get(name)
        if theirs is None or theirs.shape != ours.shape:
            found = "none" if theirs is None else list(theirs.shape)
            raise InputError(
                f"{start.path} must have the recipe's sizes: {name} is {list(ours.shape)}, there {found}"
            )
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model


def choose_tokenizer(config: TrainConfig, own: Tokenizer | None) -> Tokenizer:
    """Return the tokenizer of the initial weights; without one, that which the configuration names.

    Raises:
        InputError: there is none, or it has not as many tokens as the model's vocabulary.
    """
    size = config.model.text.vocabulary
    if own is not None:
        tokenizer = own
    elif config.model.tokenizer == "stored":
        raise InputError(
            "the model's tokenizer is stored beside the weights that it begins with: pass --from MODEL"
        )
    else:
        tokenizer = scenes_tokenizer() if config.model.tokenizer == "scenes" else Tokenizer()
    if tokenizer.vocab_size != size:
        raise InputError(f"model.text.vocabulary must be the tokenizer's {tokenizer.vocab_size}, got {size}")
    return tokenizer
