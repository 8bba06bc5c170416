"""Progress bars on stderr, as long as it is a terminal."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


def track(items: Iterable[Item], *, total: int | None, what: str, is_shown: bool = True) -> Iterator[Item]:
    """Yield the items, with a bar on stderr while they go by; no bar where there is no terminal.

    A total that is not known is None.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_hidden = not (is_shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        yield from bar.track(items, total=total, description=what)
