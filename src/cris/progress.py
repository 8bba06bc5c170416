"""Progress bars on stderr, as long as it is a terminal."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")
_state = {"is_quiet": False}


def track(items: Iterable[Item], *, total: int | None, what: str, is_shown: bool = True) -> Iterator[Item]:
    """Yield the items, with a bar on stderr while they go by; no bar where there is no terminal.

    A total that is not known is None.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_hidden = not (is_shown and has_bars())
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        yield from bar.track(items, total=total, description=what)


def has_bars() -> bool:
    """Return whether bars are shown: stderr is a terminal, and nobody asked for quiet.

    Not rich's word for it, which FORCE_COLOR turns, so that bars would fill the logs of builds.
    """
    return sys.stderr.isatty() and not is_quiet()


def is_quiet() -> bool:
    """Return whether progress of any form is to be left out."""
    return _state["is_quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out progress, in all threads."""
    before, _state["is_quiet"] = is_quiet(), True
    try:
        yield
    finally:
        _state["is_quiet"] = before
