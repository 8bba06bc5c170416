"""Configuration of a training run: one frozen dataclass decides everything."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import tyro

from cris.config_file import parsed
from cris.data.loading.resample import Target
from cris.data.loading.sampling import Rule
from cris.errors import InputError, UsageError
from cris.model.config import CrisConfig, InferenceConfig


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Choice and augmentation of the samples in a step."""

    rule: Rule = "k sentences per picture"
    """Content of an epoch: one sentence of each object, all sentences, or k sentences of each image."""
    pictures: int = 12
    """Groups per optimiser step, over all processes: images, or single sentences under the other rules."""
    sentences: int = 1
    """Sentences per image, which share one encoding of it; the same number for every image of a batch."""
    flip_probability: float = 0.0
    """Chance that an image is mirrored, with left and right swapped in its sentences."""
    smallest_crop: float = 1.0
    """Least share of each side that a crop keeps; 1 crops nothing. Targets stay whole."""
    colour_jitter: float = 0.0
    """Largest share by which brightness, contrast and saturation change."""
    collage_share: float = 0.0
    """Share of the images that are collages of cut-outs from the training split."""
    no_target_share: float | None = None
    """Share of the sentences that mean nothing, as nearly as images have such; None: as the data has it."""
    several_targets_share: float | None = None
    """Share of the sentences that mean several objects, likewise."""
    repeat_threshold: float = 0.0
    """Share of the images below which a category is rare: images of rare ones are repeated, by the square
    root of how much rarer they are (LVIS). 0 repeats none."""
    workers: int = 0
    """Processes that prepare batches, beside each process that trains."""


@dataclass(frozen=True, kw_only=True)
class ObjectivesConfig:
    """Terms of the loss and their weights.

    Every term is a mean over sentences (of a mean over the counted cells), so that a batch split over
    processes, or accumulated, has the same gradient.
    """

    target: Target = "area"
    """True mask on the grid of answers: one pixel of each cell (as released), or its covered share."""
    padding: Literal["counted", "ignored"] = "ignored"
    """Treatment of cells beside the image, in the letterbox's padding: counted (as released) or ignored."""
    no_target: Literal["counted", "ignored"] = "counted"
    """Masks of sentences that mean nothing: learned to be empty (as released), or ignored, which leaves it to
    the presence head whether anything is meant."""
    dice_weight: float = 0.0
    """Weight of the Dice loss beside the text-to-pixel contrastive loss, which has 1."""
    peak_weight: float = 0.0
    """Weight of the cross-entropy of the highest cells' mean score against whether anything is meant."""
    presence_weight: float = 0.0
    """Weight of the cross-entropy of the model's second answer; needs model.presence-heads."""
    masked_regions: float = 0.0
    """Share of the image's patches that are hidden in a second pass (MaskRIS)."""
    masked_patch: int = 32
    """Side of such a patch, in pixels of the network's input."""
    masked_words: float = 0.0
    """Share of the sentence's words that are hidden in a second pass (MaskRIS)."""
    consistency_weight: float = 0.0
    """Weight of the agreement between the answers with and without hidden parts; 0 leaves the pass out."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Optimiser and learning rates."""

    name: Literal["adam", "adamw"] = "adamw"
    """Optimiser algorithm."""
    learning_rate: float = 1e-3
    """Highest learning rate of everything but the backbone."""
    backbone_factor: float = 1.0
    """The backbone's (CLIP's image and text encoders) learning rate, as a share of the others'."""
    full_backbone_share: float = 0.0
    """Share of the run, at its beginning, without that factor (as released: the first epoch of 50)."""
    layer_decay: float = 1.0
    """Factor on the learning rate from each block of the image encoder to the one before it, from the last
    block on: early ones then learn more slowly. 1: all blocks learn alike."""
    frozen_image_blocks: int = 0
    """Blocks of the image encoder, counted from the input, whose weights are frozen."""
    parts: tuple[str, ...] = ()
    """Parts of the model that learn, presence for example, where they are not frozen; none named: all."""
    freeze_text: bool = False
    """Frozen text encoder."""
    positions: Literal["backbone", "head"] = "backbone"
    """Part whose learning rate CLIP's two positional embeddings take (as released: the head)."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square."""
    weight_decay: float = 0.0
    """Decay of weights with two or more dimensions; biases and norms have none."""
    gradient_clip: float = 0.0
    """Largest norm of the gradient; larger ones are scaled down to it. 0 clips nothing."""


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """Learning rate schedule, in shares of the run's whole length."""

    warmup_steps: int = 0
    """Steps over which the learning rate rises from 0; 0 when a run goes on with another's weights."""
    decay: Literal["cosine", "milestones"] = "cosine"
    """Decay of the learning rate: to 0 along half a cosine, or by `milestone_factor` at each milestone."""
    decay_share: float = 1.0
    """Share of the run, at its end, over which the cosine falls."""
    milestones: tuple[float, ...] = ()
    """Shares of the run after which the learning rate falls."""
    milestone_factor: float = 0.1
    """Factor that the learning rate is multiplied by at each milestone."""
    begin_share: float = 0.0
    """Point of the schedule at which the run begins: 0.5 skips its first half, with the warm-up."""


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """Validation during training."""

    data: str | None = None
    """Source of the samples: a folder of `cris data`, or scenes; None: the training data."""
    split: str = "val"
    """Split of that data."""
    every: int | None = None
    """Steps between validations; None: once an epoch."""
    sentences: Literal["first", "all"] = "all"
    """Sentences per object: the first (as released), or all."""
    samples: int | None = None
    """Samples to measure, the first of the split; None: all."""
    choose_threshold: bool = True
    """Choice of the threshold by mean IoU, stored beside the weights in place of the recipe's own."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Configuration of a whole training run."""

    recipe: Annotated[str, tyro.conf.Suppress]
    """Name of the recipe that this configuration comes from."""
    data: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """Fingerprints of the training data."""
    start: Annotated[str, tyro.conf.arg(name="from", metavar="MODEL")] = ""
    """Initial weights, of the recipe's sizes: registered name, checkpoint folder, a run's folder, or a
    file of CLIP's; empty: fresh ones."""
    start_sha256: Annotated[str, tyro.conf.Suppress] = ""
    """SHA-256 of the initial weights."""
    losses: Annotated[tuple[str, ...], tyro.conf.Suppress] = ()
    """Names of the terms of the loss that were given as functions."""
    steps: int | None = None
    """Optimiser steps of the whole run, which the learning rates follow; None: as many as `epochs` take."""
    epochs: float | None = None
    """Passes over the data, where `steps` is None."""
    max_steps: int | None = None
    """Latest step to stop at, on the whole run's schedule: resumed with more it is the same run. More
    than the recipe's steps lengthen it."""
    seed: int = 0
    """Seed of weights, data and dropout."""
    precision: Literal["fp32", "bf16", "fp16", "fp64"] = "fp32"
    """Number format to compute in; weights stay fp32 (fp64 under fp64, which is for comparisons)."""
    accumulation: int = 1
    """Parts that a step's batch is split into, taken one after the other: less memory, the same gradient."""
    ema_decay: float = 0.0
    """Decay of the moving average of the weights, which is what gets measured and saved; 0: no average."""
    freeze_norms: bool = False
    """Keep BatchNorm's statistics instead of taking those of each batch."""
    freeze_encoder_norms: bool = False
    """Keep BatchNorm's statistics in the image encoder."""
    gradient_checkpointing: bool = False
    """Compute features again in the backward pass: less memory, more time, the same result."""
    channels_last: bool = True
    """Memory layout of features, pixel by pixel: faster, but torch's BatchNorm on CPU then rounds ten
    times as coarsely, to about 1e-6."""
    compile: bool = False
    """Compile the model with torch.compile: a minute or more at the start, faster after."""
    skip_losses: int = 0
    """Steps with a loss that is not a finite number that may be skipped; the next one ends the run."""
    device: Literal["cpu", "cuda", "auto"] = "auto"
    """Device to train on."""
    processes: int = 1
    """Processes on this machine, one per GPU; on CPU one per core is fastest. torchrun and SLURM set it
    themselves."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    keep: int = 2
    """Past checkpoints that are kept beside the last and the best."""
    log_every: int = 10
    """Steps between lines of metrics."""
    trackers: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Loggers of the metrics besides metrics.jsonl."""
    model: CrisConfig
    inference: InferenceConfig
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    objectives: ObjectivesConfig = field(default_factory=ObjectivesConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    @property
    def length(self) -> int:
        """Return the steps of the whole run, once they are known."""
        assert self.steps is not None
        return self.steps

    @property
    def validate_every(self) -> int:
        """Return the steps between validations, once they are known."""
        assert self.validation.every is not None
        return self.validation.every

    @property
    def last_step(self) -> int:
        """Return the step at which this run stops."""
        return self.length if self.max_steps is None else min(self.max_steps, self.length)


_ADDED: dict[str, dict[str, Any]] = {
    "objectives": {"no_target": "counted"},
    "optimizer": {"layer_decay": 1.0},
    "sampling": {"no_target_share": None, "several_targets_share": None},
}
"""Options that earlier runs lack, with the values that they had in effect."""


def read_config_file(path: Path) -> TrainConfig:
    """Return the configuration that `cris train --print-config` printed, or that a run's folder holds.

    Raises:
        InputError: there is no such file, or it says something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must be JSON as cris train --print-config prints it: {error}") from error
    if not isinstance(content, dict) or "recipe" not in content:
        raise InputError(f"{path} must be what cris train --print-config prints, or a run's config.json")
    content.pop("environment", None)
    for group, options in _ADDED.items():
        if isinstance(content.get(group), dict):
            content[group] = options | content[group]
    try:
        config: TrainConfig = parsed(TrainConfig, content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return replace(config, data=(), start_sha256="")  # they are of what is found when the run begins


def changed(config: TrainConfig, changes: Mapping[str, object]) -> TrainConfig:
    """Return the configuration with other values, checked as those of a file are.

    Args:
        config: what is changed.
        changes: field → its value; of a field that is a configuration itself, such as `optimizer`, also a
            mapping of the fields that change.

    Raises:
        UsageError: there is no such field, or it takes other values.
    """
    return _changed(config, changes, "")  # type: ignore[no-any-return]


def _changed(config: Any, changes: Mapping[str, object], within: str) -> Any:
    hints, values = get_type_hints(type(config)), {}
    for name, value in changes.items():
        full = f"{within}{name}"
        if name not in {each.name for each in fields(config)}:
            close = difflib.get_close_matches(name, hints, n=1)
            hint = f"did you mean {within}{close[0]}?" if close else f"expected one of {', '.join(hints)}"
            raise UsageError(f"a recipe has no {full}: {hint}")
        before = getattr(config, name)
        if is_dataclass(before) and isinstance(value, Mapping):
            values[name] = _changed(before, value, f"{full}.")
        elif is_dataclass(before) and is_dataclass(value):
            values[name] = value
        else:
            try:
                values[name] = parsed(hints[name], list(value) if isinstance(value, tuple) else value, full)
            except InputError as error:
                raise UsageError(str(error)) from error
    return replace(config, **values)


def changed_options(base: TrainConfig, config: TrainConfig) -> list[str]:
    """Return the options that turn `cris train` with the recipe of `base` into a run of `config`."""
    theirs, words = flat(base), []
    for name, value in flat(config).items():
        if value == theirs.get(name, NotImplemented) or name in ("recipe", "data", "start_sha256", "losses"):
            continue
        option = "from" if name == "start" else name.replace("_", "-")
        if isinstance(value, bool):
            part, dot, last = option.rpartition(".")
            words.append(f"--{option}" if value else f"--{part}{dot}no-{last}")
        elif isinstance(value, tuple):
            words += [f"--{option}", *map(str, value)]
        else:
            words.append(f"--{option}={value}")
    return words


def resolved(config: TrainConfig, groups_per_epoch: int) -> TrainConfig:
    """Return the configuration with everything decided that depends on the amount of data.

    Raises:
        InputError: neither steps nor epochs are given.
    """
    per_epoch = groups_per_epoch / config.sampling.pictures
    steps = config.steps
    if steps is None and config.epochs is not None:
        steps = int(config.epochs * per_epoch)
    steps = steps or config.max_steps
    if steps is None:
        raise InputError("a run needs a length: pass --steps N or --epochs N")
    every = config.validation.every or max(1, round(per_epoch))
    return replace(
        config,
        steps=max(1, steps, config.max_steps or 0),
        validation=replace(config.validation, every=every),
    )


FREE_TO_CHANGE = (
    *("max_steps", "device", "processes", "checkpoint_every", "keep", "log_every", "trackers", "skip_losses"),
    *("start", "gradient_checkpointing", "sampling.workers", "validation.every", "validation.samples"),
)
"""Fields that may differ when a run is resumed: when and where it stops, and how often it reports."""


def flat(config: TrainConfig) -> dict[str, Any]:
    """Return dotted name → value of every field."""

    def walk(fields: dict[str, Any], prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in fields.items():
            if isinstance(value, dict):
                found |= walk(value, f"{prefix}{name}.")
            else:
                found[f"{prefix}{name}"] = value
        return found

    return walk(asdict(config), "")


def fingerprint(config: TrainConfig) -> str:
    """Return as JSON what a run must still be for its checkpoint to be continued."""
    values = {name: value for name, value in flat(config).items() if _decides(name)}
    if not config.losses:
        del values["losses"]  # as in the checkpoints of runs from before it could be given
    return json.dumps(values)


def check_same_run(stored: str, config: TrainConfig, where: str) -> None:
    """Raise InputError that names the fields in which a stored fingerprint and the configuration differ."""
    theirs = {name: value for name, value in json.loads(stored).items() if _decides(name)}
    ours = json.loads(fingerprint(config))
    # before runs had this field it followed from the vocabulary's size, which is compared
    theirs.setdefault("model.tokenizer", ours["model.tokenizer"])
    for group, options in _ADDED.items():
        theirs = {f"{group}.{name}": value for name, value in options.items()} | theirs
    if different := sorted(name for name in theirs | ours if theirs.get(name) != ours.get(name)):
        name = "recipe" if "recipe" in different else different[0]
        raise InputError(
            f"{where} holds another run: its {name} is {theirs.get(name)!r}, not {ours.get(name)!r}"
            f"{f' ({len(different) - 1} more differ)' if len(different) > 1 else ''}: choose another --out"
        )


def _decides(name: str) -> bool:
    """Return whether a field decides what is learned; scores are calibrated afterwards."""
    return name not in FREE_TO_CHANGE and not name.startswith("inference.calibration.")
