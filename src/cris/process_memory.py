"""Memory of this process, now and at its peak."""

import resource
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
"""Files of Linux's own account of this process."""


def resident_bytes() -> int:
    """Return the resident memory; where the system does not say, its peak."""
    return _line("VmRSS") or peak_bytes()


def peak_bytes() -> int:
    """Return the peak of the resident memory, since the last reset on Linux.

    `ru_maxrss` is for other systems: on Linux a process inherits it from the one that started it.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    return _line("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak() -> None:
    """Reset the peak; do nothing where the system cannot."""
    if sys.platform == "linux":
        try:
            _CLEAR.write_text("5", encoding="ascii")
        except OSError:
            return


def _line(name: str) -> int:
    if sys.platform != "linux" or not _STATUS.exists():
        return 0
    lines = (line.split() for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[:1] == [f"{name}:"]), 0)
