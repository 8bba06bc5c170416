"""Limits of one server, and the refusal when one is exceeded."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits beyond which a request is refused, before it costs more."""

    body_bytes: int = 20 * 2**20
    """Largest body of one request, in bytes."""
    held_bytes: int = 2**29
    """Most bytes of all bodies under way together."""
    pixels: int = 40_000_000
    """Most pixels of one image, read from its header before it is decoded."""
    sentences: int = 32
    """Most sentences in one request."""
    sentence_characters: int = 1000
    """Most characters in one sentence; the model's own limit of tokens is checked after it."""
    waiting: int = 256
    """Most requests in line for the model."""
    seconds: float = 30.0
    """Seconds for reading a request, for answering it, and for each piece of the answer a client takes."""


class RefusalError(Exception):
    """Refusal of a request, with what its sender is told."""

    def __init__(
        self, status: int, error: str, detail: str, hint: str, *, retry_after: int | None = None
    ) -> None:
        """Make a refusal with an HTTP status (4xx, 503) and a JSON body.

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
        """Return the body as it is sent."""
        return json.dumps(self.body).encode()


def internal_error() -> RefusalError:
    """Return the refusal for a bug; its traceback is in the log."""
    return RefusalError(500, "internal", "this is a bug of the server", "report it")
