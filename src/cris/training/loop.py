"""The training loop: batches in, checkpoints and metrics out."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric

from cris.card import CardResult
from cris.errors import InputError
from cris.evaluation.metrics import card_result
from cris.lock import locked
from cris.model.cris import Cris
from cris.segmenter import Segmenter
from cris.training.config import TrainConfig, resolved
from cris.training.loss import Loss, loss_names
from cris.training.memory import memory_advice
from cris.training.monitor import Monitor
from cris.training.processes import all_gather, all_reduce_max, launch
from cris.training.setup import Setup, build_loader, build_stream
from cris.training.signals import StopSignal
from cris.training.state import RunFolder, remove_run
from cris.training.trainer import Trainer
from cris.training.validation import validate


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of a run so far."""

    out: Path
    """Folder of the run, which every command and `Segmenter.from_pretrained` take as its best model."""
    step: int
    """Optimiser steps done since the run began."""
    best: float | None
    """Best mean IoU on the validation split so far; None before the first look."""
    stopped_by: int
    """Number of the signal that ended the run early; 0 when it ran to its end."""
    is_first: bool
    """True if this is the process that reports for all."""
    damaged: frozenset[str] = frozenset()
    """Images that could not be decoded and were passed over, by any process."""

    def to_dict(self) -> dict[str, object]:
        """Return the outcome in plain JSON values; damaged images are counted."""
        return {
            "out": str(self.out),
            "step": self.step,
            "best": self.best,
            "stopped_by": self.stopped_by,
            "damaged": len(self.damaged),
        }

    def __str__(self) -> str:
        """Return steps, best figure and folder in a line, and how many images were passed over in another."""
        best = "not measured" if self.best is None else f"{self.best:.3f}"
        line = f"{self.step} steps; best validation mean IoU {best}; model: {self.out}"
        if not self.damaged:
            return line
        return (
            f"{line}\n{len(self.damaged):,} images could not be decoded and were passed over: "
            "cris data check names them"
        )


def fit(
    config: TrainConfig,
    model: Cris,
    setup: Setup,
    out: Path,
    *,
    losses: Sequence[Loss] = (),
    overwrite: bool = False,
    progress: bool = True,
) -> Outcome:
    """Begin the run in `out`, or resume it when it has saved before.

    Args:
        config: all of the run but its data.
        model: as it is before the first step.
        setup: images, sentences and the tokenizer to read them with.
        out: the run's folder, see docs/training.md.
        losses: terms of the loss beside those of the configuration.
        overwrite: remove an earlier run in `out` first.
        progress: show on stderr how the run goes on.

    Raises:
        InputError: the folder holds another run, or one that another process goes on with, or the loss is no
            finite number, or the disk is full.
        MemoryError: with advice.
    """
    config = replace(config, losses=loss_names(losses))
    fabric = launch(config)
    with _alone_in(out, fabric):
        if overwrite:
            if fabric.is_global_zero:
                remove_run(out)
            fabric.barrier()
        return _fit(config, model, setup, out, fabric, losses, progress=progress)


@contextmanager
def _alone_in(out: Path, fabric: Fabric) -> Iterator[None]:
    """Keep other runs out of the folder; every process of this run learns when one is in there already."""
    with ExitStack() as held:
        refused: InputError | None = None
        if fabric.is_global_zero:
            try:
                held.enter_context(locked(out, hint="wait for that run, stop it, or choose another --out"))
            except InputError as error:
                refused = error
        if all_reduce_max(fabric, int(refused is not None)):
            raise refused or InputError(f"another process is writing to {out}")
        yield


def _fit(
    config: TrainConfig,
    model: Cris,
    setup: Setup,
    out: Path,
    fabric: Fabric,
    losses: Sequence[Loss],
    *,
    progress: bool,
) -> Outcome:
    config = resolved(config, build_stream(config, setup).groups_per_epoch)
    run = RunFolder(out, config, setup.tokenizer, str(fabric.device), setup.hub_data)
    state = run.read_state()
    with memory_advice(config):
        trainer = Trainer(config, model, fabric, losses)
    loader = build_loader(config, setup, rank=fabric.global_rank, processes=fabric.world_size)
    best: float | None = None
    inference = config.inference
    if state is not None:
        trainer.load_state_dict(state["learner"])
        loader.load_state_dict(state["loader"])
        best, inference = state["best"], replace(inference, threshold=state["threshold"])
    if fabric.is_global_zero:
        run.write_config()

    def save(*, is_best: bool = False, measured: CardResult | None = None) -> None:
        if fabric.is_global_zero:
            run.save(
                trainer.average.current(),
                inference,
                {
                    "step": trainer.step,
                    "learner": trainer.state_dict(),
                    "loader": loader.state_dict(),
                    "best": best,
                    "threshold": inference.threshold,
                },
                step=trainer.step,
                is_best=is_best,
                best=best,
                measured=measured,
            )

    watching = Monitor(fabric, config, out, trainer.step, progress=progress)
    with closing(iter(loader)) as batches, StopSignal() as stop, watching as watch, memory_advice(config):
        stopped_by = saved = 0
        while trainer.step < config.last_step and not stopped_by:
            parts = [next(batches) for _ in range(config.accumulation)]
            figures = trainer.training_step(parts)
            step, is_last = trainer.step, trainer.step == config.last_step
            watch.step(step, figures, sum(len(part.tokens) for part in parts))
            if step % config.validate_every == 0 or is_last:
                segmenter = Segmenter(
                    trainer.average.current(), setup.tokenizer, config.inference, device=str(fabric.device)
                )
                found = validate(fabric, segmenter, setup.validation, config.validation)
                watch.validation(step, found)
                loader.pass_over(found.damaged)
                inference = replace(inference, threshold=found.threshold)
                is_best = best is None or found.mean_iou > best
                best = found.mean_iou if best is None else max(best, found.mean_iou)
                looked_at = setup.validation
                measured = card_result(looked_at.name, looked_at.split, found.summary.figures)
                save(is_best=is_best, measured=measured)
                saved = step
            elif step % config.checkpoint_every == 0:
                save()
                saved = step
            # all stop at the same step, whichever of them was told
            stopped_by = all_reduce_max(fabric, stop.number)
        if stopped_by and saved != trainer.step:
            save()
    return Outcome(
        out=out,
        step=trainer.step,
        best=best,
        stopped_by=stopped_by,
        is_first=fabric.is_global_zero,
        damaged=frozenset(image for part in all_gather(fabric, loader.damaged) for image in part),
    )
