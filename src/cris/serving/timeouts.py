"""Timeout for slow clients in uvicorn's HTTP protocol."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class HeaderTimeoutProtocol(H11Protocol):
    """Protocol that closes a connection whose request's headers are not complete in time.

    uvicorn closes one that idles after an answer, and waits for ever for the first request's headers.
    """

    SECONDS = 10.0
    """Seconds from the connection, or from a further request's first byte, to the end of the headers."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Go on waiting as long as no request has begun."""
        super().data_received(data)
        if not self._is_between_requests():
            self._forget()
        elif self._due is None:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self._forget()

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect(self) -> None:
        self._due = self.loop.call_later(self.SECONDS, self._lose_patience)

    def _forget(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _lose_patience(self) -> None:
        self._due = None
        if self._is_between_requests():
            self.transport.abort()
