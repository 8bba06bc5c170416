"""Progress bar, metrics file and experiment loggers."""

import dataclasses
import time
from pathlib import Path
from types import TracebackType

from lightning_fabric import Fabric

from cris.training.config import TrainConfig
from cris.training.figures import draw_sheet
from cris.training.loggers import Tracker
from cris.training.progress import RunProgress, peak_memory
from cris.training.validation import Validation


class Monitor:
    """Reporter in the first process of a run; silent in the others."""

    def __init__(
        self, fabric: Fabric, config: TrainConfig, out: Path, step: int, *, progress: bool = True
    ) -> None:
        """Begin, or resume from a step."""
        self.config, self.out = config, out
        self.device, self.processes = fabric.device, fabric.world_size
        self.is_first = fabric.is_global_zero
        if self.is_first:
            self.tracker = Tracker(out, dataclasses.asdict(config), config.trackers, step=step)
            self.progress = RunProgress(config.last_step, step, is_shown=progress)
        self._restart()

    def __enter__(self) -> "Monitor":
        """Show the progress of the run."""
        if self.is_first:
            self.progress.__enter__()
        self._restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything that is open, whatever ended the run."""
        if self.is_first:
            self.progress.__exit__(kind, error, trace)
            self.tracker.close()

    def step(self, step: int, figures: dict[str, float], sentences: int) -> None:
        """Report a finished step on this many sentences in this process."""
        self._sentences += sentences * self.processes
        if not self.is_first:
            return
        self.progress.step(step)
        if step % self.config.log_every == 0 or step == self.config.last_step:
            speed = self._sentences / (time.monotonic() - self._since)
            values = {**figures, "samples_per_second": speed, "memory_gb": peak_memory(self.device)}
            self.tracker.metrics(step, values)
            self.progress.metrics(step, values)
            self._restart()

    def validation(self, step: int, validation: Validation) -> None:
        """Report a validation."""
        if self.is_first:
            from cris.training.summary import write_summary  # here, as it takes matplotlib: half a second

            figures = {**validation.summary.to_dict(), "threshold": validation.threshold}
            self.tracker.validation(step, figures, draw_sheet(validation.shown))
            self.progress.validation(step, figures)
            write_summary(self.out)
        self._restart()

    def _restart(self) -> None:
        """Restart the clock, so that the speed is that of steps alone."""
        self._since, self._sentences = time.monotonic(), 0
