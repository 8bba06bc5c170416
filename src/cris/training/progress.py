"""What someone sees while a run goes on: a bar in a terminal, plain lines anywhere else."""

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

_PIPE_WIDTH = 200  # columns where there is no terminal


class RunProgress:
    """Tells how far a run is, how fast, what its loss is and how long it still takes; on stdout."""

    def __init__(self, total: int, step: int = 0) -> None:
        """Of `total` steps, `step` were done before; the time left follows from the others."""
        self.total = total
        self.first = step
        self.started = time.monotonic()
        is_terminal = sys.stdout.isatty()
        self.console = Console(highlight=False, width=None if is_terminal else _PIPE_WIDTH)
        columns = (
            *(TextColumn("step"), MofNCompleteColumn(), BarColumn(bar_width=20)),
            *(TextColumn("{task.fields[left]} left"), TextColumn("{task.fields[figures]}")),
        )
        self.bar = Progress(*columns, console=self.console, disable=not is_terminal, expand=False)
        self.task = self.bar.add_task("", total=total, completed=step, left="–", figures="")

    def __enter__(self) -> "RunProgress":
        """Shows the bar."""
        self.bar.start()
        self.started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the bar as it is."""
        self.bar.stop()

    def step(self, step: int) -> None:
        """So many steps are done; costs next to nothing."""
        self.bar.update(self.task, completed=step)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Shows figures of the training at this step: the bar's, or a line."""
        left, figures = self.time_left(step), describe(values)
        if self.bar.disable:
            self.say(f"step {step}/{self.total}  {figures}  {left} left")
        self.bar.update(self.task, completed=step, left=left, figures=figures)

    def validation(self, step: int, figures: Mapping[str, float | None]) -> None:
        """Adds a line of figures on the validation split, above the bar."""
        self.say(f"step {step}/{self.total}  validation  {describe(figures)}")

    def say(self, line: str) -> None:
        """Adds a line."""
        self.console.print(Text(line), soft_wrap=True)

    def time_left(self, step: int) -> str:
        """As hours, minutes and seconds, at the pace of this process; a dash before there is one."""
        done = step - self.first
        if done < 1:
            return "–"
        seconds = (time.monotonic() - self.started) / done * (self.total - step)
        return str(timedelta(seconds=round(seconds)))


def describe(values: Mapping[str, float | None]) -> str:
    """Figures in a line, four digits each; one whose value is not known is left out."""
    return "  ".join(
        f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items() if value is not None
    )


def peak_memory(device: torch.device) -> float:
    """Most memory that this process has held, in GB: on its GPU, or of its own where it trains on the CPU."""
    return (torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_bytes()) / 1e9
