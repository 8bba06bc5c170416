"""The training loop: batches in, checkpoints and metrics out."""

import json
import math
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from cris.data.scenes import Scenes, vocabulary
from cris.model.build import build_cris
from cris.model.config import InferenceConfig
from cris.model.cris import Cris
from cris.model.tokenizer import Tokenizer
from cris.training.batches import scene_batch
from cris.training.config import Progress, TrainConfig
from cris.training.loss import dice_loss, text_to_pixel_loss


def train(config: TrainConfig, out: Path, *, start: Cris | None = None) -> Progress:
    """Runs, or goes on with, the run in `out`; returns how far it came.

    `start` gives the first weights of a new run. A run stopped by SIGTERM or SIGINT has saved what it did.
    """
    fabric = Fabric(
        accelerator=config.device,
        devices=config.processes,
        strategy="ddp" if config.processes > 1 else "auto",
    )
    fabric.launch()
    torch.set_num_threads(max(1, (torch.get_num_threads() if config.processes == 1 else 1)))
    torch.manual_seed(config.seed)
    tokenizer = Tokenizer().reduced(sorted(vocabulary()))
    text = replace(config.model.text, vocabulary=tokenizer.vocab_size)
    model = build_cris(replace(config.model, text=text))
    if start is not None:
        model.load_state_dict(start.state_dict())
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = build_cris(model.config).eval().requires_grad_(requires_grad=False)
    average.load_state_dict(model.state_dict())
    average.to(fabric.device)
    optimizer = torch.optim.AdamW(
        parameter_groups(model, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98)
    )

    progress = Progress()
    state_file = out / "checkpoints" / "last" / "train_state.pt"
    if state_file.exists():
        state = torch.load(state_file, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        progress = Progress(step=state["step"], best=state["best"])
    runner, optimizer = fabric.setup(model, optimizer)

    scenes, validation = Scenes("train", seed=config.seed), Scenes("val")
    metrics = out / "metrics.jsonl"
    stop = StopSignal()
    started, seen = time.monotonic(), 0
    share = config.pictures // fabric.world_size
    while progress.step < config.max_steps and not stop.is_set:
        rate = learning_rate(config, progress.step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        first = progress.step * config.pictures + fabric.global_rank * share
        indices = [index % len(scenes) for index in range(first, first + share)]
        batch = scene_batch(
            scenes,
            indices,
            sentences=config.sentences,
            tokenizer=tokenizer,
            inference=inference_at(config, progress.step),
        )
        images = batch.images.to(fabric.device, memory_format=torch.channels_last)
        logits = runner(images, batch.tokens.to(fabric.device), batch.image_index.to(fabric.device))
        masks = batch.masks.to(fabric.device)
        contrastive = text_to_pixel_loss(logits, masks, "area")
        dice = dice_loss(logits, masks, "area")
        fabric.backward(contrastive + config.dice_weight * dice)
        norm = fabric.clip_gradients(runner, optimizer, max_norm=config.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()
        update_average(average, model, min(config.ema_decay, (1 + progress.step) / (10 + progress.step)))
        progress = replace(progress, step=progress.step + 1)
        seen += len(logits) * fabric.world_size

        if progress.step % config.log_every == 0 and fabric.is_global_zero:
            write_line(
                metrics,
                step=progress.step,
                loss=float(contrastive),
                dice=float(dice),
                gradient_norm=float(norm),
                learning_rate=rate,
                samples_per_second=seen / (time.monotonic() - started),
            )
        if progress.step % config.checkpoint_every == 0 or progress.step == config.max_steps:
            score = validate(fabric, average, validation, tokenizer, config, progress.step)
            progress = replace(progress, best=max(progress.best, score))
            if fabric.is_global_zero:
                write_line(metrics, step=progress.step, validation_mean_iou=score)
                save(out, model, average, optimizer, tokenizer, config, progress)
        stop.agree(fabric)
    if stop.is_set and fabric.is_global_zero:
        save(out, model, average, optimizer, tokenizer, config, progress)
    return progress


class StopSignal:
    """Remembers SIGTERM or SIGINT until the loop has come to a place where it can stop."""

    def __init__(self) -> None:
        self.number = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    @property
    def is_set(self) -> bool:
        """Whether the run must stop."""
        return self.number > 0

    def agree(self, fabric: Fabric) -> None:
        """All processes stop at the same step, whichever of them was told."""
        if fabric.world_size > 1:
            self.number = int(fabric.all_reduce(torch.tensor(float(self.number)), reduce_op="max"))

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.number = number


def learning_rate(config: TrainConfig, step: int) -> float:
    """Rises from 0 over the warm-up, stays, then falls along half a cosine over the last share of the steps."""
    rise = min(1.0, (step + 1) / config.warmup_steps)
    decay_steps = config.decay_share * config.max_steps
    done = max(0.0, step - (config.max_steps - decay_steps)) / max(1.0, decay_steps)
    return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def inference_at(config: TrainConfig, step: int) -> InferenceConfig:
    """The letterbox of this step: smaller in the early ones."""
    is_early = step < config.early_share * config.max_steps
    return replace(config.inference, input_size=config.early_input_size) if is_early else config.inference


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


@torch.no_grad()
def validate(
    fabric: Fabric, model: Cris, scenes: Scenes, tokenizer: Tokenizer, config: TrainConfig, step: int
) -> float:
    """Mean IoU over the first scenes of the validation split, each counted once whatever the number of processes."""
    total = 0.0
    for index in range(fabric.global_rank, config.validation_samples, fabric.world_size):
        batch = scene_batch(
            scenes, [index], sentences=1, tokenizer=tokenizer, inference=inference_at(config, step)
        )
        logits = model(
            batch.images.to(fabric.device),
            batch.tokens.to(fabric.device),
            batch.image_index.to(fabric.device),
        )
        size = batch.masks.shape[-2:]
        found = (
            nn.functional.interpolate(logits.sigmoid().cpu(), size, mode="bilinear")
            > config.inference.threshold
        )
        truth = batch.masks > 0.5
        total += float((found & truth).sum() / (found | truth).sum().clamp(min=1))
    if fabric.world_size > 1:
        total = float(fabric.all_reduce(torch.tensor(total), reduce_op="sum"))
    return total / config.validation_samples


def write_line(file: Path, **values: float) -> None:
    """Appends one JSON object to the metrics."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(values) + "\n")


def save(
    out: Path,
    model: Cris,
    average: Cris,
    optimizer: torch.optim.Optimizer,
    tokenizer: Tokenizer,
    config: TrainConfig,
    progress: Progress,
) -> None:
    """Writes the averaged weights as a checkpoint, and beside them all that the next step depends on."""
    folder = out / "checkpoints" / "last"
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        **asdict(progress),
    }
    torch.save(state, folder / "train_state.tmp")
    (folder / "train_state.tmp").replace(folder / "train_state.pt")
    tokenizer.save(folder / "tokenizer.json")
