"""Checks on every request, the page's too: the key, the limits, the log and the counters."""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import logging
import time
import uuid

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cris.serving.limits import Limits, RefusalError, internal_error
from cris.serving.logs import log
from cris.serving.metrics import Metrics

OPEN_PATHS = ("/healthz", "/readyz")
"""Paths asked by load balancers, which have no key."""
ROUTES = ("/v1/segment", "/v1/models", "/metrics", "/openapi.json", *OPEN_PATHS)
LABEL_STUDIO_ROUTES = (
    *("/health", "/setup", "/predict", "/versions", "/webhook", "/train", "/job_status"),
    *("/validate", "/duplicate_model", "/delete"),
)
"""Paths that Label Studio asks of an ML backend; only `cris serve --label-studio` answers them."""
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LINGER_SECONDS = 2.0
"""Seconds to read on a refused body: were the connection cut at once, its sender would not see why."""
SAFETY_HEADERS = {
    "content-security-policy": "; ".join(
        [
            "default-src 'self'",
            # Gradio has its settings in scripts within the page, and evaluates its HTML's templates
            "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",  # the camera
            "connect-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
"""Headers of every answer: whatever gets into a page, it can neither load from elsewhere nor send there."""
_SAFETY = [(name.encode(), value.encode()) for name, value in SAFETY_HEADERS.items()]
_LONGEST_ID = 128
"""Characters of a request's id that are taken over."""
GONE = 499
"""Status in the log for a client that left before its answer; as nginx counts them."""


class RequestMiddleware:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, limits: Limits, metrics: Metrics, key: str | None) -> None:
        """Require the key, if there is one, of all paths but OPEN_PATHS."""
        self.app = app
        self.limits = limits
        self.metrics = metrics
        self.key = key
        self.held_bytes = 0
        """Bytes of all bodies under way."""
        metrics.held_bytes.set_function(lambda: self.held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            await _Exchange(self, scope, receive, send).run()
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def check(self, scope: Scope) -> None:
        """Raise RefusalError for what can be seen in the headers."""
        headers = Headers(scope=scope)
        if self.key is not None and scope["path"] not in OPEN_PATHS and not self._has_key(headers):
            refusal = RefusalError(
                401,
                "unauthorized",
                "expected the server's API key, got none or another",
                "send it as 'Authorization: Bearer KEY'; a browser asks for a password, which is the key",
            )
            refusal.headers["WWW-Authenticate"] = 'Basic realm="cris", charset="UTF-8"'
            raise refusal
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in _SAFE_METHODS:
            raise RefusalError(
                403, "cross_site", "another site's page made this request", "open this server's own page"
            )
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > self.limits.body_bytes:
            raise self.too_large()

    def too_large(self) -> RefusalError:
        """Return the refusal of a body over the limit."""
        return RefusalError(
            413,
            "body_too_large",
            f"expected a body of at most {self.limits.body_bytes:,} bytes, got more",
            "send a smaller image, or one compressed more",
        )

    def _has_key(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                candidate = given.strip()
            case "basic":
                candidate = _password(given)
            case _:
                candidate = headers.get("x-api-key", "")
        assert self.key is not None
        # digests of one length: comparing the keys themselves would tell how long ours is
        return hmac.compare_digest(_digest(candidate), _digest(self.key))


class _Exchange:
    """One request on its way in and its answer on the way out."""

    def __init__(self, guard: RequestMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self.guard = guard
        self.scope = scope
        self.inner_receive = receive
        self.inner_send = send
        self.start = time.perf_counter()
        self.request_id = _request_id(Headers(scope=scope).get("x-request-id", ""))
        self.body_bytes = 0
        self.is_body_complete = False
        self.refusal: RefusalError | None = None
        self.status: int | None = None

    async def run(self) -> None:
        """Pass it to the application, or refuse it."""
        try:
            await self._pass()
        finally:
            self.guard.held_bytes -= self.body_bytes
            self._record()

    async def _pass(self) -> None:
        try:
            self.guard.check(self.scope)
            await self.guard.app(self.scope, self._receive, self._send)
        except RefusalError as refusal:
            self.refusal = refusal
        except Exception:
            if self.status is not None:
                raise  # half an answer is out: the connection is cut
            if self.refusal is None:
                path = self.scope["path"]
                log("error", logging.ERROR, traceback=True, path=path, request_id=self.request_id)
                self.refusal = internal_error()
        if self.refusal is not None and self.status is None:
            await self._refuse(self.refusal)

    async def _receive(self) -> Message:
        """Return the next piece of the body, as long as it keeps the limits."""
        if self.is_body_complete or self.refusal is not None:
            return await self.inner_receive()
        limits = self.guard.limits
        try:
            async with asyncio.timeout(self.start + limits.seconds - time.perf_counter()):
                message = await self.inner_receive()
        except TimeoutError:
            self.refusal = RefusalError(
                408,
                "too_slow",
                f"expected the whole body within {limits.seconds:g} s, got less",
                "send it again, or send less",
            )
            raise self.refusal from None
        length = len(message.get("body", b""))
        self.body_bytes += length
        self.guard.held_bytes += length
        self.is_body_complete = not message.get("more_body", False)
        if self.body_bytes > limits.body_bytes:
            self.refusal = self.guard.too_large()
        elif self.guard.held_bytes > limits.held_bytes:
            self.refusal = RefusalError(
                429, "overloaded", "too many bodies are under way", "ask again later", retry_after=1
            )
        if self.refusal is not None:
            raise self.refusal
        return message

    async def _send(self, message: Message) -> None:
        """Send a piece of the answer, which the client must take in time."""
        if self.refusal is not None and self.status is None:
            return  # whatever the application makes of the refusal, ours is sent
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = (b"x-request-id", self.request_id.encode())
            message = {**message, "headers": [*message.get("headers", ()), *_SAFETY, own]}
        async with asyncio.timeout(self.guard.limits.seconds):
            await self.inner_send(message)

    async def _refuse(self, refusal: RefusalError) -> None:
        content = refusal.content()
        headers = {"content-type": "application/json", "content-length": str(len(content)), **refusal.headers}
        if self.scope["method"] not in _SAFE_METHODS:
            headers["connection"] = "close"
        self.status = refusal.status
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": encoded})
        await self._send({"type": "http.response.body", "body": content, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.is_body_complete:
                    message = await self.inner_receive()
                    self.is_body_complete = not message.get("more_body", False)
        await self._send({"type": "http.response.body", "body": b""})

    def _record(self) -> None:
        path, method, status = self.scope["path"], self.scope["method"], self.status or GONE
        seconds = time.perf_counter() - self.start
        route = path if path in (*ROUTES, *LABEL_STUDIO_ROUTES) else "page"
        self.guard.metrics.requests.labels(route, str(status)).inc()
        self.guard.metrics.request_seconds.labels(route).observe(seconds)
        is_routine = method in _SAFE_METHODS and status < 400  # probes, scrapes, and the page's many files
        log(
            "request",
            logging.DEBUG if is_routine else logging.INFO,
            method=method,
            path=path[:200],
            request_id=self.request_id,
            status=status,
            milliseconds=round(1000 * seconds, 1),
            body_bytes=self.body_bytes,
            client=(self.scope.get("client") or ["unknown"])[0],
        )


def _request_id(given: str) -> str:
    """Return the client's name for its request, where that can stand in a log; else a name of our own."""
    is_fit = 0 < len(given) <= _LONGEST_ID and given.isascii() and given.isprintable() and " " not in given
    return given if is_fit else uuid.uuid4().hex


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _password(credentials: str) -> str:
    """Return the password of HTTP's basic authentication; empty when this is none."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
