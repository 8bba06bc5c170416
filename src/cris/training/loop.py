"""The training loop: batches in, checkpoints and metrics out."""

import json
import math
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cris.checkpoint import TRAIN_STATE, save_checkpoint, whole_checkpoint
from cris.data.dataset import Referring
from cris.data.loader import Loader, Prepare
from cris.data.sampling import Stream
from cris.evaluation.metrics import intersection_and_union, iou
from cris.model.build import build_cris
from cris.model.cris import Cris
from cris.model.tokenizer import Tokenizer
from cris.segmenter import Segmenter
from cris.training.config import TrainConfig, fingerprint
from cris.training.loss import dice_loss, text_to_pixel_loss

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How far a run came."""

    step: int
    """Optimiser steps done since the run began."""
    best: float
    """Best mean IoU on the validation split so far."""
    stopped_by: int
    """Number of the signal that ended it early; 0 when it ran to its end."""
    is_first: bool
    """Whether this is the process that speaks for all."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a run learns from, and what it is looked at with."""

    training: Referring
    validation: Referring
    tokenizer: Tokenizer


def last_checkpoint(out: Path) -> Path:
    """Where the run in `out` saves."""
    return out / "checkpoints" / "last"


def train(
    config: TrainConfig,
    material: Material,
    out: Path,
    *,
    start: Cris | None = None,
    report: Report = lambda _: None,
) -> Outcome:
    """Begins the run in `out`, or goes on with it when it has saved before.

    Args:
        config: all of the run but its data.
        material: pictures, sentences and the tokenizer to read them with.
        out: its folder; gets `metrics.jsonl` and `checkpoints/last`.
        start: a model whose weights a new run begins with, of the same sizes.
        report: told of every line of metrics.

    Raises:
        ValueError: the folder holds a run of another configuration, or `start` has other sizes.
    """
    fabric = Fabric(
        accelerator=config.device,
        devices=config.processes,
        strategy="ddp" if config.processes > 1 else "auto",
    )
    fabric.launch()
    # the 1x1 fusions get their gradients in parts, laid out in a way that DDP remarks on and copes with
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    if config.processes > 1:
        torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    tokenizer = material.tokenizer
    text = replace(config.model.text, vocabulary=tokenizer.vocab_size)
    model = build_cris(replace(config.model, text=text))
    if start is not None:
        begin_with(model, start)
    average = build_cris(model.config).eval().requires_grad_(requires_grad=False)
    average.load_state_dict(model.state_dict())
    optimizer = torch.optim.AdamW(
        parameter_groups(model, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98)
    )
    step, best = 0, 0.0
    state_file = whole_checkpoint(last_checkpoint(out)) / TRAIN_STATE
    if state_file.exists():
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        if state["fingerprint"] != fingerprint(config):
            raise ValueError(f"{out} holds a run of another configuration: choose another --out")
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, best = state["step"], state["best"]

    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    runner, optimizer = fabric.setup(model, optimizer)
    loader = Loader(
        material.training,
        Stream(
            material.training.index,
            "k sentences per picture",
            sentences=config.sentences,
            seed=config.seed,
        ),
        Prepare(tokenizer=tokenizer, inference=config.inference),
        groups=config.pictures,
        rank=fabric.global_rank,
        processes=fabric.world_size,
    )
    loader.position = step * config.pictures
    batches = iter(loader)
    segmenter = Segmenter(average, tokenizer, config.inference, device=str(fabric.device))
    log = Log(out / "metrics.jsonl", report, is_silent=not fabric.is_global_zero)
    started, seen = time.monotonic(), 0

    def save() -> None:
        if fabric.is_global_zero:
            save_checkpoint(
                last_checkpoint(out),
                average,
                tokenizer,
                config.inference,
                card=f"Recipe {config.recipe}, {step} steps, validation mean IoU at best {best:.3f}.\n",
                train_state={
                    "fingerprint": fingerprint(config),
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                    "best": best,
                },
                overwrite=True,
            )

    with StopSignal() as stop:
        while step < config.max_steps and not stop.number:
            rate = learning_rate(config, step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = next(batches).to(fabric.device)
            longest = int(batch.tokens.argmax(dim=1).max()) + 1
            logits = runner(batch.inputs(), batch.tokens[:, :longest], batch.image_index)
            contrastive = text_to_pixel_loss(logits, batch.masks, "area")
            dice = dice_loss(logits, batch.masks, "area")
            loss = contrastive + config.dice_weight * dice
            fabric.backward(loss)
            norm = fabric.clip_gradients(runner, optimizer, max_norm=config.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
            update_average(average, model, min(config.ema_decay, (1 + step) / (10 + step)))
            step += 1
            seen += len(logits) * fabric.world_size

            if step % config.log_every == 0 or step == config.max_steps:
                log.write(
                    step=step,
                    loss=loss.item(),
                    contrastive=contrastive.item(),
                    dice=dice.item(),
                    gradient_norm=norm.item() if norm is not None else math.nan,
                    learning_rate=rate,
                    samples_per_second=seen / (time.monotonic() - started),
                )
            if step % config.checkpoint_every == 0 or step == config.max_steps:
                mean_iou = validate(fabric, segmenter, material.validation, config.validation_samples)
                best = max(best, mean_iou)
                log.write(step=step, validation_mean_iou=mean_iou)
                save()
            stop.agree(fabric)
    if stop.number:
        save()
    return Outcome(step=step, best=best, stopped_by=stop.number, is_first=fabric.is_global_zero)


class Log:
    """Lines of metrics, appended to a file as JSON and told to who watches."""

    def __init__(self, file: Path, report: Report, *, is_silent: bool) -> None:
        self.file = file
        self.report = report
        self.is_silent = is_silent
        if not is_silent:
            file.parent.mkdir(parents=True, exist_ok=True)

    def write(self, **values: float) -> None:
        """Adds a line, in the one process that speaks."""
        if self.is_silent:
            return
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(values) + "\n")
        self.report(values)


class StopSignal:
    """Remembers SIGTERM or SIGINT until the loop has come to a place where it can stop."""

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> "StopSignal":
        """Takes the signals over."""
        self.before = {name: signal.signal(name, self._remember) for name in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        """Hands them back."""
        for name, handler in self.before.items():
            signal.signal(name, handler)

    def agree(self, fabric: Fabric) -> None:
        """All processes stop at the same step, whichever of them was told."""
        if fabric.world_size > 1:
            told = fabric.all_reduce(torch.tensor(float(self.number)), reduce_op="max")
            assert isinstance(told, Tensor)
            self.number = int(told)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.number = number


def begin_with(model: Cris, start: Cris) -> None:
    """Copies the weights of `start`; ValueError when its sizes are others."""
    if start.config != model.config:
        raise ValueError(
            f"the model to begin with must have the recipe's sizes, {model.config}, got {start.config}"
        )
    model.load_state_dict(start.state_dict())


def learning_rate(config: TrainConfig, step: int) -> float:
    """Rises from 0 over the warm-up, stays, then falls to 0 along half a cosine over the last steps."""
    rise = min(1.0, (step + 1) / config.warmup_steps)
    decay_steps = config.decay_share * config.max_steps
    done = max(0.0, step - (config.max_steps - decay_steps)) / max(1.0, decay_steps)
    return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights with two or more dimensions decay; biases, norms and other vectors do not."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Moves the average a step of 1 - `decay` towards the model, BatchNorm's statistics included."""
    theirs = model.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(theirs[name], 1 - decay)
        else:
            value.copy_(theirs[name])


def validate(fabric: Fabric, segmenter: Segmenter, samples: Referring, most: int) -> float:
    """Mean IoU over the first samples, each counted once whatever the number of processes."""
    count = min(most, len(samples))
    total = torch.zeros(())
    for place in range(fabric.global_rank, count, fabric.world_size):
        sample = samples[place]
        found = segmenter.predict(sample.image, sample.sentence)
        total += iou(*intersection_and_union(found.mask, sample.mask))
    if fabric.world_size > 1:
        summed = fabric.all_reduce(total, reduce_op="sum")
        assert isinstance(summed, Tensor)
        total = summed
    return total.item() / count
