"""Process that has the model: a crash here, by an image or by want of memory, leaves the server up."""

import json
import os
import signal
import sys
import traceback
import warnings
from dataclasses import asdict, dataclass
from typing import IO

import numpy as np

from cris.engines.formats import EngineName, Precision
from cris.errors import BUG, InputError
from cris.segmenter import Segmenter
from cris.serving.messages import HEADER, Failed, Ready, packed, unpacked
from cris.serving.predictor import Answerer, FeatureCache


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """Settings that a worker is started with."""

    model: str
    """Registered name or checkpoint folder."""
    device: str = "auto"
    engine: EngineName | None = None
    precision: Precision | None = None
    """Precision; it and the engine as `Segmenter.from_pretrained` takes them."""
    batch_size: int = 8
    """Sentences, and images, that go through the model at a time."""
    cache_bytes: int = 2**28
    """Bytes of features to keep; the least recently asked go first."""
    pixels: int = 40_000_000
    """Most pixels that an image may have."""


def run(settings: WorkerSettings, asks: IO[bytes], replies: IO[bytes]) -> int:
    """Load the model, then answer until `asks` ends; return the exit code."""

    def say(message: object) -> None:
        replies.write(packed(message))
        replies.flush()

    try:
        segmenter = Segmenter.from_pretrained(
            settings.model,
            settings.device,
            engine=settings.engine,
            precision=settings.precision,
            batch_size=settings.batch_size,
            is_strict=True,
        )
        segmenter.predict(np.zeros((32, 32, 3), dtype=np.uint8), "warm")  # ready means warm
    except (InputError, MemoryError, OSError, ModuleNotFoundError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        say(Failed(detail=str(error), missing=missing))
        return 1
    except Exception:
        say(Failed(detail=traceback.format_exc(), is_bug=True))
        return BUG
    inference = segmenter.inference
    say(
        Ready(
            sentence_length=inference.sentence_length,
            input_size=inference.input_size,
            threshold=inference.threshold,
            device=segmenter.device,
        )
    )
    answerer = Answerer(segmenter, FeatureCache(settings.cache_bytes), settings.pixels)
    while header := asks.read(HEADER.size):
        (length,) = HEADER.unpack(header)
        say(answerer.reply(unpacked(asks.read(length))))
    return 0


def command(settings: WorkerSettings) -> list[str]:
    """Return the command of a worker; `-P` keeps a folder named cris at the server's start from being it."""
    return [sys.executable, "-P", "-m", "cris.serving.worker", json.dumps(asdict(settings))]


def _main() -> None:
    # the server says when to stop, by closing the pipe: Ctrl-C and systemd signal the whole group, while
    # requests are still to be answered
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # of images, whose sender cannot see them
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # so that a library's print does not get among them
    sys.exit(run(WorkerSettings(**json.loads(sys.argv[1])), sys.stdin.buffer, replies))


if __name__ == "__main__":
    _main()
