"""Structured logs: one JSON object a line, on stderr, without images or sentences."""

import json
import logging
import time
from typing import Any

LOG = logging.getLogger("cris.serving")


class JsonFormatter(logging.Formatter):
    """Formatter of a record as one line of JSON; `extra={"fields": {…}}` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, in ASCII."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def log(event: str, level: int = logging.INFO, *, traceback: bool | str = False, **fields: object) -> None:
    """Write an event with its fields, and with the traceback of the error being handled, or this one."""
    if isinstance(traceback, str):
        fields["traceback"] = traceback
    LOG.log(level, event, extra={"fields": fields}, exc_info=traceback is True)


def configure() -> None:
    """Send everything that the server and its libraries log to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    library = logging.getLogger("cris")
    library.handlers.clear()  # of the command line, whose lines are for people
    LOG.setLevel(library.level or logging.INFO)
