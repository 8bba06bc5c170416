"""Graceful stop on a signal: finish the step, save, exit."""

import signal
import threading
from types import FrameType


class StopSignal:
    """Handler that remembers SIGTERM or SIGINT until the loop reaches a place where it can stop.

    Only the main thread may set handlers: in any other, signals do what they did before.
    """

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> "StopSignal":
        """Install the handlers."""
        is_main = threading.current_thread() is threading.main_thread()
        names = (signal.SIGTERM, signal.SIGINT) if is_main else ()
        self.before = {name: signal.signal(name, self._remember) for name in names}
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the earlier handlers."""
        for name, handler in self.before.items():
            signal.signal(name, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.number = number


def end_if_stopped(number: int) -> None:
    """End as a signal asks that stopped a run, now that the run has saved; 0 asks nothing.

    Raises:
        SystemExit: the program was started with that signal ignored, as a shell does in the background.
    """
    if number:
        signal.raise_signal(number)
        raise SystemExit(128 + number)
