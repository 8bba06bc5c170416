"""Amount that a command tells on stderr: --quiet and --log-level, which every command has."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cris.cli.errors import UsageError

LOG = logging.getLogger("cris")
"""Logger of the library; its modules' are below it."""
LEVELS = ("debug", "info", "warning", "error")
OPTIONS = {
    "--quiet": "errors alone: no progress, no warnings",
    "--log-level": f"tell from this on: {', '.join(LEVELS)}",
}
"""Option → what its use is."""


@dataclass(frozen=True, slots=True)
class Verbosity:
    """Amount that is told."""

    level: str | None = None
    """Least level that is told; None for that of the command: warnings, and the stages of long ones."""
    is_quiet: bool = False
    """True if progress is left out, too."""

    @property
    def has_warnings(self) -> bool:
        """Return whether warnings are told."""
        return self.level != "error"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Tell as much as that."""
        with ExitStack() as stack:
            if self.level is not None:
                stack.enter_context(log_at(self.level))
            if self.is_quiet:
                from cris.progress import quiet  # here, as the help needs no rich

                stack.enter_context(quiet())
            yield


def split_verbosity(arguments: Sequence[str]) -> tuple[Verbosity, list[str]]:
    """Return what the arguments say of it, and the others; both options may stand anywhere before --.

    Raises:
        UsageError: there is no such level.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    rest: list[str] = []
    levels: list[str] = []
    is_quiet = False
    words = iter(arguments[:end])
    for word in words:
        if word == "--quiet":
            is_quiet = True
        elif word == "--log-level":
            levels.append(next(words, ""))
        elif word.startswith("--log-level="):
            levels.append(word.partition("=")[2])
        else:
            rest.append(word)
    level = levels[-1].lower() if levels else None
    if level is not None and level not in LEVELS:
        raise UsageError(f"--log-level must be one of {', '.join(LEVELS)}, got {level!r}")
    if is_quiet:
        level = level or "error"
    return Verbosity(level, is_quiet), [*rest, *arguments[end:]]


@contextmanager
def log_at(level: str) -> Iterator[None]:
    """Show on stderr what the library logs at this level and above."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("cris: %(message)s"))
    before = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(level.upper())
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(before)
