"""Progress of a run on stderr: a bar in a terminal, plain lines anywhere else."""

import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from cris.process_memory import peak_bytes
from cris.progress import is_quiet

_PIPE_WIDTH = 200  # columns where there is no terminal


class RunProgress:
    """Progress display on stderr: step, speed, loss and time left."""

    def __init__(self, total: int, step: int = 0, *, is_shown: bool = True) -> None:
        """Start at `step` of `total` steps; the time left follows from steps done from here on."""
        self.total = total
        self.first = step
        self.started = time.monotonic()
        is_terminal = sys.stderr.isatty()
        is_shown = is_shown and not is_quiet()
        width = None if is_terminal else _PIPE_WIDTH
        self.console = Console(stderr=True, highlight=False, width=width, quiet=not is_shown)
        columns = (
            *(TextColumn("step"), MofNCompleteColumn(), BarColumn(bar_width=20)),
            *(TextColumn("{task.fields[left]} left"), TextColumn("{task.fields[figures]}")),
        )
        self.bar = Progress(
            *columns, console=self.console, disable=not (is_shown and is_terminal), expand=False
        )
        self.task = self.bar.add_task("", total=total, completed=step, left="–", figures="")

    def __enter__(self) -> "RunProgress":
        """Show the bar."""
        self.bar.start()
        self.started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it is."""
        self.bar.stop()

    def step(self, step: int) -> None:
        """Count this many steps as done; costs next to nothing."""
        self.bar.update(self.task, completed=step)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Show training figures at this step: in the bar, or as a line."""
        left, figures = self.time_left(step), describe(values)
        if self.bar.disable:
            self.say(f"step {step}/{self.total}  {figures}  {left} left")
        self.bar.update(self.task, completed=step, left=left, figures=figures)

    def validation(self, step: int, figures: Mapping[str, float | None]) -> None:
        """Add a line of figures on the validation split, above the bar."""
        self.say(f"step {step}/{self.total}  validation  {describe(figures)}")

    def say(self, line: str) -> None:
        """Add a line."""
        self.console.print(Text(line), soft_wrap=True)

    def time_left(self, step: int) -> str:
        """Return hours, minutes and seconds at the pace of this process; a dash before there is a pace."""
        done = step - self.first
        if done < 1:
            return "–"
        seconds = (time.monotonic() - self.started) / done * (self.total - step)
        return str(timedelta(seconds=round(seconds)))


def describe(values: Mapping[str, float | None]) -> str:
    """Return figures in one line, four digits each; unknown values are left out."""
    return "  ".join(
        f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items() if value is not None
    )


def peak_memory(device: torch.device) -> float:
    """Return the peak memory of this process in GB: on its GPU, or its own where it trains on the CPU."""
    return (torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_bytes()) / 1e9
