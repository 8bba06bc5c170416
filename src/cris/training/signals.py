"""Being told to stop: finish the step, save, leave."""

import signal
from types import FrameType


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

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.number = number
