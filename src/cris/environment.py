"""Versions, device and date of a result's computation."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cris import __version__


def environment(device: str) -> dict[str, str | None]:
    """Return the versions of the libraries that compute, the device and the date, as text; None without one.

    Args:
        device: cpu, cuda, cuda:1, mps.
    """
    torch = sys.modules.get("torch")  # exported models do without it
    has_cuda = device.startswith("cuda") and torch is not None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cris": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": _version("torch"),
        "cuda": torch.version.cuda if has_cuda else None,  # type: ignore[union-attr]
        "device": f"{device} ({torch.cuda.get_device_name(device)})" if has_cuda else device,  # type: ignore[union-attr]
    }


def in_one_line(known: dict[str, str | None]) -> str:
    """Return an environment as one line for people."""
    commit = f" (commit {known['commit'][:12]})" if known["commit"] else ""
    cuda = f", CUDA {known['cuda']}" if known["cuda"] else ""
    return (
        f"cris {known['cris']}{commit}, torch {known['torch'] or 'not installed'}{cuda}, "
        f"Python {known['python']}, {known['device']}, {known['date']}"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the checkout that this package runs from, with -dirty where it was changed."""
    package = Path(__file__).resolve().parent
    checkout = package.parents[1]
    if not (checkout / ".git").exists() or package != checkout / "src" / "cris":
        return None  # installed, perhaps within somebody else's checkout
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None
