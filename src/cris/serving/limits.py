"""What one server takes on, and what it says when that is exceeded."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond these a request is refused, before it costs more."""

    body_bytes: int = 20 * 2**20
    """Of one request's body."""
    held_bytes: int = 2**29
    """Of all bodies under way together."""
    pixels: int = 40_000_000
    """Of one picture, read from its header before it is decoded."""
    sentences: int = 32
    """In one request."""
    sentence_characters: int = 1000
    """In one sentence; the model's own limit of tokens is checked after it."""
    waiting: int = 256
    """Requests in line for the model."""
    seconds: float = 30.0
    """For reading a request, for answering it, and for each piece of the answer that a client takes."""


class RefusalError(Exception):
    """A request that gets no answer, and what its sender is told."""

    def __init__(
        self, status: int, error: str, detail: str, hint: str, *, retry_after: int | None = None
    ) -> None:
        """Of an HTTP status (4xx, 503) and a JSON body.

        Args:
            status: of HTTP.
            error: a name for programs.
            detail: what was expected and what came.
            hint: what to do.
            retry_after: seconds after which it may work, where waiting helps.
        """
        super().__init__(detail)
        self.status = status
        self.body = {"error": error, "detail": detail, "hint": hint}
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def content(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body).encode()


def internal_error() -> RefusalError:
    """Return what is said of a bug; its traceback is in the log."""
    return RefusalError(500, "internal", "this is a bug of the server", "report it")
