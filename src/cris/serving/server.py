"""Runs the application until it is told to stop."""

import os
import socket
from collections.abc import Callable

import uvicorn

from cris.serving.app import create_app
from cris.serving.batcher import Batcher
from cris.serving.limits import Limits
from cris.serving.logs import configure, log
from cris.serving.metrics import Metrics
from cris.serving.patience import PatientProtocol
from cris.serving.worker import WorkerSettings


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 is any free one. Raises ValueError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            f"cannot listen on {host}:{port} ({reason.lower()}): choose another --host or --port"
        ) from error


async def serve(
    settings: WorkerSettings,
    limits: Limits,
    at: socket.socket,
    *,
    key: str | None,
    has_page: bool,
    announce: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or SIGINT, then answers what is under way.

    Raises ValueError when the model cannot be loaded.
    """
    configure()
    async with Batcher(settings, limits, Metrics()) as batcher:
        app = create_app(batcher, key)
        if has_page:
            from cris.serving.page import add_page  # here, as Gradio takes seconds to import

            add_page(app, batcher)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(limits.seconds),
            )
        )
        host, port = at.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        announce(url)
        log("listening", url=url, model=settings.model, pid=os.getpid())
        await server.serve(sockets=[at])
        log("stopped")
