"""Rows that are not as they must be: refused, or left out and counted."""

from collections.abc import Iterator
from contextlib import contextmanager

from cris.errors import InputError


class _RefusedError(InputError):
    """An invalid row that could be left out; the message says how."""


class InvalidRows:
    """Refuses the first invalid row, or leaves out all of them and remembers each.

    A row that is met again, as when a data set is made anew, counts once.
    """

    def __init__(self, *, is_skipping: bool = False) -> None:
        self.is_skipping = is_skipping
        self._left_out: dict[str, dict[str, None]] = {}

    @property
    def left_out(self) -> dict[str, tuple[str, ...]]:
        """Kind of row, in the plural → what is wrong with each that was left out."""
        return {kind: tuple(errors) for kind, errors in self._left_out.items()}

    def refuse(self, kind: str, error: InputError) -> None:
        """Raise the error, or leave the row out where invalid rows are skipped."""
        if isinstance(error, _RefusedError):
            raise error
        if not self.is_skipping:
            raise _RefusedError(f"{error}; pass --skip-invalid to leave out what is invalid") from error
        self.leave_out(kind, error)

    def leave_out(self, kind: str, error: InputError) -> None:
        """Count a row that is left out."""
        self._left_out.setdefault(kind, {})[str(error)] = None

    @contextmanager
    def checked(self, kind: str) -> Iterator[None]:
        """Refuse the row that is read inside when an InputError is raised."""
        try:
            yield
        except InputError as error:
            self.refuse(kind, error)
