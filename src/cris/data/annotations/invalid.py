"""Invalid rows: refused, or skipped and counted."""

from collections.abc import Iterator
from contextlib import contextmanager

from cris.errors import InputError


class _RefusedError(InputError):
    """An invalid row that could be skipped; the message says how."""


class InvalidRows:
    """Policy for invalid rows: raise at the first, or skip all of them and remember each.

    A row that is met again, as when a data set is rebuilt, counts once.
    """

    def __init__(self, *, is_skipping: bool = False) -> None:
        self.is_skipping = is_skipping
        self._left_out: dict[str, dict[str, None]] = {}

    @property
    def left_out(self) -> dict[str, tuple[str, ...]]:
        """Return what is wrong with each skipped row, by kind of row in the plural."""
        return {kind: tuple(errors) for kind, errors in self._left_out.items()}

    def refuse(self, kind: str, error: InputError) -> None:
        """Raise the error, or skip the row where invalid rows are skipped."""
        if isinstance(error, _RefusedError):
            raise error
        if not self.is_skipping:
            raise _RefusedError(f"{error}; pass --skip-invalid to leave out what is invalid") from error
        self.leave_out(kind, error)

    def leave_out(self, kind: str, error: InputError) -> None:
        """Count a row that is skipped."""
        self._left_out.setdefault(kind, {})[str(error)] = None

    @contextmanager
    def checked(self, kind: str) -> Iterator[None]:
        """Refuse the row that is read inside when an InputError is raised."""
        try:
            yield
        except InputError as error:
            self.refuse(kind, error)
