"""Server that runs the application until it is told to stop."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from cris.errors import InputError
from cris.serving.app import create_app
from cris.serving.batcher import Batcher
from cris.serving.label_studio import LabelStudioBackend, LabelStudioSettings
from cris.serving.limits import Limits
from cris.serving.logs import configure, log
from cris.serving.metrics import Metrics
from cris.serving.timeouts import HeaderTimeoutProtocol
from cris.serving.worker import WorkerSettings


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections; port 0 is any free one. Raise InputError if there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # create_server tells the address in the reason
        reason = (error.strerror or str(error)).partition(" (while ")[0].lower()
        raise InputError(
            f"cannot listen on {host}:{port} ({reason}): choose another --host or --port"
        ) from error
    # connections inherit it: head and body are two writes, of which the second would wait 40 ms for a receipt
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def serve(
    settings: WorkerSettings,
    limits: Limits,
    at: socket.socket,
    *,
    key: str | None,
    has_page: bool,
    announce: Callable[[str], None],
    label_studio: LabelStudioSettings | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is under way.

    Args:
        settings: of the worker that has the model.
        limits: beyond which requests are refused.
        at: where to accept connections.
        key: that all requests must bring, if any.
        has_page: whether there is a page at /.
        announce: is told the address once requests are answered.
        label_studio: settings of an ML backend beside the rest, if there is to be one.

    Raises InputError when the model cannot be loaded.
    """
    configure()
    url = _url(at)
    with tempfile.TemporaryDirectory(prefix="cris-serve-") as folder:
        async with Batcher(settings, limits, Metrics()) as batcher:
            backend = None if label_studio is None else LabelStudioBackend(batcher, label_studio)
            app = create_app(batcher, key, backend)
            if has_page:
                from cris.serving.page import add_page  # here, as Gradio takes seconds to import

                add_page(app, batcher, Path(folder))
            log("listening", url=url, model=settings.model, pid=os.getpid(), worker=batcher.worker_pid)
            try:
                announce(url)
                await _server(app, limits).serve(sockets=[at])
            finally:
                log("stopped", url=url)


def _server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=HeaderTimeoutProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(limits.seconds),
        )
    )


def _url(at: socket.socket) -> str:
    host, port = at.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
