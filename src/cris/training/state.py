"""Folder of a run: saved state, its layout, and resuming after any interruption."""

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cris.card import CardResult, model_card
from cris.checkpoint import CARD, TOKENIZER, TRAIN_STATE, WEIGHTS, save_checkpoint
from cris.config_file import CONFIG, to_json
from cris.environment import environment, in_one_line
from cris.errors import InputError
from cris.files import PARTIAL, atomic_file, atomic_folder, whole_folder
from cris.model.config import InferenceConfig
from cris.model.cris import Cris
from cris.model.tokenizer import Tokenizer
from cris.registry import RUN_CHECKPOINTS, hub_name
from cris.training.config import TrainConfig, check_same_run, fingerprint

_FOLDERS = ("curves", "sheets", "tensorboard")
_FILES = ("config.json", "metrics.jsonl", "summary.md", "summary.html")
"""Files that a run writes beside its checkpoints."""
_STEP = re.compile(r"step-(\d+)")


def last_checkpoint(out: Path) -> Path:
    """Return the folder in which the run in `out` saves."""
    return out / RUN_CHECKPOINTS / "last"


def holds_run(out: Path) -> bool:
    """Return whether a run in `out` has saved, even if its last save was cut short."""
    return whole_folder(last_checkpoint(out)).exists()


def best_checkpoint(out: Path) -> Path:
    """Return the folder in which the run in `out` keeps the model that validated best."""
    return out / RUN_CHECKPOINTS / "best"


def remove_run(out: Path) -> None:
    """Remove everything that a run has written to its folder."""
    if last_checkpoint(out).parent.exists():
        gone = out / f"{PARTIAL}checkpoints"  # at once, so that what is left is no run, whatever happens
        shutil.rmtree(gone, ignore_errors=True)
        last_checkpoint(out).parent.rename(gone)
        shutil.rmtree(gone)
    for name in _FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
    for name in _FILES:
        (out / name).unlink(missing_ok=True)


class RunFolder:
    """Folder with `config.json` and `checkpoints/` of a run; only one process writes."""

    def __init__(
        self,
        out: Path,
        config: TrainConfig,
        tokenizer: Tokenizer,
        device: str,
        hub_data: Sequence[str] = (),
    ) -> None:
        """Take `hub_data`, data sets of the hub that the run learns from, for the card."""
        self.out = out
        self.hub_data = hub_data
        self.config = config
        self.tokenizer = tokenizer
        self.environment = environment(device)

    def read_state(self) -> dict[str, Any] | None:
        """Return the last saved state of the run; None when it is a new one.

        Raises:
            InputError: the folder holds another run, or what it holds is damaged.
        """
        file = whole_folder(last_checkpoint(self.out)) / TRAIN_STATE
        if not file.exists():
            return None
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            stored = state["fingerprint"]
        except Exception as error:
            raise InputError(
                f"{file} is damaged: rename an older step-… beside its folder to {file.parent.name} "
                f"and resume again ({type(error).__name__})"
            ) from error
        check_same_run(stored, self.config, str(self.out))
        return state  # type: ignore[no-any-return]

    def write_config(self) -> None:
        """Write the whole configuration and the environment to the top of the folder."""
        self.out.mkdir(parents=True, exist_ok=True)
        content = to_json(self.config) | {"environment": self.environment}
        with atomic_file(self.out / "config.json") as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def save(
        self,
        model: Cris,
        inference: InferenceConfig,
        state: Mapping[str, Any],
        *,
        step: int,
        is_best: bool,
        best: float | None,
        measured: CardResult | None = None,
    ) -> None:
        """Replace `last` atomically; link it as `step-N`, and as `best` where it is.

        The card tells `measured`, the figures of these very weights, where they were measured.

        Raises:
            OSError: the disk is full, say; what was saved before is still whole.
        """
        last = last_checkpoint(self.out)
        figure = "not measured yet" if best is None else f"{best:.3f}"
        began_as = hub_name(self.config.start) if self.config.start else None
        card = model_card(
            f"Recipe {self.config.recipe}, {step} steps; best validation mean IoU so far: {figure}.\n\n"
            f"Made with {in_one_line(self.environment)}.\n",
            name=self.config.recipe,
            base_models=[began_as] if began_as else (),
            datasets=self.hub_data,
            results=[measured] if measured else (),
        )
        try:
            save_checkpoint(
                last,
                model,
                self.tokenizer,
                inference,
                card=card,
                train_state={**state, "fingerprint": fingerprint(self.config)},
                overwrite=True,
            )
            if is_best:
                _link(last, best_checkpoint(self.out), (CONFIG, WEIGHTS, TOKENIZER, CARD))
            if self.config.keep:
                _link(last, last.with_name(f"step-{step}"), (CONFIG, WEIGHTS, TOKENIZER, CARD, TRAIN_STATE))
            self._forget()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise InputError(
                f"the disk is full at step {step}: free some space and pass --resume, "
                f"which goes on from {last}"
            ) from error

    def _forget(self) -> None:
        """Remove all but the newest checkpoints of past steps."""
        steps = {
            int(match[1]): folder
            for folder in last_checkpoint(self.out).parent.iterdir()
            if (match := _STEP.fullmatch(folder.name))
        }
        for step in sorted(steps)[: len(steps) - self.config.keep]:
            shutil.rmtree(steps[step])


def _link(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Link a checkpoint under another name, without taking space where the file system can; atomically.

    Files of a checkpoint are never changed, only replaced, so both stay what they are.
    """
    with atomic_folder(target) as folder:
        for name in names:
            try:
                os.link(source / name, folder / name)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                shutil.copy2(source / name, folder / name)
