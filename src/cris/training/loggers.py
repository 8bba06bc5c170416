"""Records of a run's figures: always `metrics.jsonl`, and the loggers that were asked for."""

import contextlib
import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from PIL import Image

from cris.errors import InputError
from cris.files import atomic_file

TrackerName = Literal["tensorboard", "trackio", "wandb"]
"""Experiment logger beside the run's own files; each needs the extra `track`."""
METRICS_FILE, SHEETS = "metrics.jsonl", "sheets"
"""File of metrics and folder of sheets, in the run's folder."""
PROJECT = "cris"
"""Project name under which loggers list runs."""


class Board(Protocol):
    """Experiment logger that shows figures and images of a run while it goes on."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add figures."""

    def show(self, step: int, sheet: Image.Image) -> None:
        """Add an image."""

    def close(self) -> None:
        """Flush whatever is still pending."""


class Tracker:
    """Writer of a run's figures to its folder, one JSON object a line, and to the loggers.

    Only one process of a run makes one.
    """

    def __init__(
        self,
        out: Path,
        config: Mapping[str, Any],
        trackers: Sequence[TrackerName] = (),
        *,
        step: int = 0,
    ) -> None:
        """Begin, or resume from `step`: lines beyond it are of work that was lost, and are removed.

        Args:
            out: the run's folder.
            config: the whole configuration, for the loggers; plain values, lists and dictionaries.
            trackers: names of the loggers to use.
            step: optimiser steps that the run goes on from; 0 for a new one.

        Raises:
            InputError: a name that is no logger, or a logger that needs an account.
            ModuleNotFoundError: the logger's package is not installed.
        """
        unknown = [name for name in trackers if name not in get_args(TrackerName)]
        if unknown:
            raise InputError(f"trackers are {', '.join(get_args(TrackerName))}, got {unknown[0]!r}")
        out.mkdir(parents=True, exist_ok=True)
        self.out = out
        # the boards first: one that is not installed must not leave a run that has begun
        self.boards: list[Board] = [_BOARDS[name](out, dict(config), step) for name in trackers]
        _cut(out / METRICS_FILE, step)
        self._lines = (out / METRICS_FILE).open("a", encoding="utf-8")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line of training figures at this step."""
        self._write(step, values)

    def validation(
        self, step: int, figures: Mapping[str, float | None], sheet: Image.Image | None = None
    ) -> None:
        """Add a line of figures on the validation split, each named `validation_…`, and the sheet of masks.

        The sheet becomes `sheets/step-N.jpg` in the run's folder.
        """
        self._write(step, {f"validation_{name}": value for name, value in figures.items()})
        if sheet is not None:
            file = sheet_file(self.out, step)
            file.parent.mkdir(exist_ok=True)
            with atomic_file(file) as partial:
                sheet.save(partial, "JPEG", quality=88)
            for board in self.boards:
                board.show(step, sheet)

    def close(self) -> None:
        """Close the file and the loggers."""
        self._lines.close()
        for board in self.boards:
            board.close()

    def _write(self, step: int, values: Mapping[str, float | None]) -> None:
        # JSON knows no infinity and no NaN
        finite = {n: v if v is not None and math.isfinite(v) else None for n, v in values.items()}
        self._lines.write(json.dumps({"step": step, **finite}, allow_nan=False) + "\n")
        self._lines.flush()
        for board in self.boards:
            board.log(step, {name: value for name, value in values.items() if value is not None})


def sheet_file(out: Path, step: int) -> Path:
    """Return the path of a validation's sheet; names sort by step."""
    return out / SHEETS / f"step-{step:08d}.jpg"


def read_metrics(file: Path) -> list[dict[str, float | None]]:
    """Return the lines of a `metrics.jsonl`; one that was cut off while it was written is left out."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        with contextlib.suppress(json.JSONDecodeError):
            if line.endswith("\n"):
                lines.append(json.loads(line))
    return lines


def _cut(file: Path, step: int) -> None:
    """Drop the lines beyond a step, atomically."""
    if not file.exists():
        return
    kept = [line for line in read_metrics(file) if (line["step"] or 0) <= step]
    with atomic_file(file, is_synced=True) as partial, partial.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(line) + "\n" for line in kept)


def _identity(out: Path) -> str:
    """Return an id that a resumed run keeps, and that differs for a run of the same name elsewhere."""
    place = out.resolve()
    return f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"


class _TensorBoard:
    """Logger that writes `tensorboard/` in the run's folder; `tensorboard --logdir DIR` shows it."""

    def __init__(self, out: Path, config: dict[str, Any], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # what was logged beyond the step that a run goes on from is hidden
        self.writer = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1 if step else None)
        self.writer.add_text("config", f"```\n{json.dumps(config, indent=2)}\n```", step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def show(self, step: int, sheet: Image.Image) -> None:
        import numpy as np

        self.writer.add_image("sheet", np.asarray(sheet), step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


class _Trackio:
    """Logger to the board on one's own machine; `trackio show --project cris` shows it."""

    def __init__(self, out: Path, config: dict[str, Any], step: int) -> None:
        import trackio

        self.trackio = trackio
        with contextlib.redirect_stdout(sys.stderr):
            trackio.init(PROJECT, name=_identity(out), config=config, resume="allow", embed=False)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.trackio.log(dict(values), step=step)

    def show(self, step: int, sheet: Image.Image) -> None:
        self.trackio.log({"sheet": self.trackio.Image(sheet)}, step=step)

    def close(self) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            self.trackio.finish()  # type: ignore[no-untyped-call]


class _Wandb:
    """Logger to Weights & Biases: an account, or WANDB_MODE=offline and `wandb sync` later."""

    def __init__(self, out: Path, config: dict[str, Any], step: int) -> None:
        import wandb

        self.wandb = wandb
        identity = _identity(out)
        try:
            self.run = wandb.init(
                project=PROJECT, dir=out, id=identity, name=out.resolve().name, config=config, resume="allow"
            )
        except wandb.errors.Error as error:
            raise InputError(
                f"wandb could not begin, {error}: run `wandb login`, or set WANDB_MODE=offline"
            ) from error

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def show(self, step: int, sheet: Image.Image) -> None:
        self.run.log({"sheet": self.wandb.Image(sheet)}, step=step)

    def close(self) -> None:
        self.run.finish()


_BOARDS: dict[TrackerName, Any] = {"tensorboard": _TensorBoard, "trackio": _Trackio, "wandb": _Wandb}
