"""The server under load: 64 clients ask an image and a sentence at a time; every answer is checked.

python -m benchmarks.serve_load [SECONDS [CLIENTS]]
"""

import asyncio
import io
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from PIL import Image

from cris import Segmenter
from cris.data.scenes import Scenes
from cris.masks import decode_rle
from cris.prediction import Prediction

MODEL = "cris-scenes"
SAMPLES = 64
MARGIN = 1e-4
"""Batches are summed in another order: a pixel may differ where its probability is so near the threshold."""


@dataclass(frozen=True)
class Case:
    """A request, and what the model says to it when asked directly."""

    image: bytes
    sentence: str
    expected: Prediction
    threshold: float

    def is_answered_by(self, content: dict[str, Any]) -> bool:
        """Return True if a server's answer is the direct one."""
        (result,) = content["results"]
        if result["sentence"] != self.sentence or abs(result["score"] - self.expected.score) > MARGIN:
            return False
        if result["rle"] == dict(self.expected.to_rle()):
            return True
        differs = decode_rle(result["rle"]) != self.expected.mask
        return bool((abs(self.expected.probability[differs] - self.threshold) <= MARGIN).all())


@dataclass
class Load:
    """Outcome of the requests."""

    seconds: list[float] = field(default_factory=list)
    """Seconds of each request that was answered."""
    wrong: int = 0
    """Answered otherwise than the direct call."""
    statuses: dict[int, int] = field(default_factory=dict)
    """Status → number of requests that were not answered; 0 for a connection that broke."""
    wall_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests answered."""
        return len(self.seconds) / self.wall_seconds

    def percentile(self, percent: int) -> float:
        """In milliseconds."""
        return 1000 * statistics.quantiles(self.seconds, n=100, method="inclusive")[percent - 1]


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """Run `cris serve` in a process of its own, without its page; yield its address."""
    command = [sys.executable, "-m", "cris", "serve", MODEL, "--port", "0", "--no-page", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def encoded(pixels: np.ndarray) -> bytes:
    """Return the image as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def cases(count: int = SAMPLES) -> list[Case]:
    """Test scenes with their direct answers."""
    segmenter = Segmenter.from_pretrained(MODEL, "cpu", is_strict=True)
    threshold = segmenter.inference.threshold
    return [
        Case(
            encoded(sample.image),
            sample.sentence,
            segmenter.predict(sample.image, sample.sentence),
            threshold,
        )
        for sample in itertools.islice(Scenes("test"), count)
    ]


async def load(url: str, asked: Sequence[Case], *, seconds: float, clients: int) -> Load:
    """So many clients ask for so long, each as soon as it has its last answer."""
    outcome = Load()
    order = itertools.cycle(asked)
    end = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as http:

        async def client() -> None:
            while time.perf_counter() < end:
                case = next(order)
                start = time.perf_counter()
                try:
                    response = await http.post(
                        "/v1/segment", files={"image": case.image}, data={"sentence": case.sentence}
                    )
                except httpx.TransportError:
                    outcome.statuses[0] = outcome.statuses.get(0, 0) + 1
                    continue
                if response.status_code == 200:
                    outcome.seconds.append(time.perf_counter() - start)
                    outcome.wrong += not case.is_answered_by(response.json())
                else:
                    status = response.status_code
                    outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
                    await asyncio.sleep(float(response.headers.get("retry-after", 0)))

        start = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        outcome.wall_seconds = time.perf_counter() - start
    return outcome


def main() -> None:
    """Print the table for the docs."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    asked = cases()
    print(f"{MODEL}, {clients} clients for {seconds:g} s, {len(asked)} images in turns")
    print("| server | requests/s | p50, ms | p99, ms | errors | wrong answers |")
    print("|---|---|---|---|---|---|")
    for name, options in (
        ("one at a time, nothing kept", ("--batch-size", "1", "--cache", "0")),
        ("batches, nothing kept", ("--cache", "0")),
        ("batches, images kept", ()),
    ):
        with serving(*options) as url:
            asyncio.run(load(url, asked, seconds=min(5.0, seconds), clients=clients))  # warm
            got = asyncio.run(load(url, asked, seconds=seconds, clients=clients))
        errors = sum(got.statuses.values())
        print(
            f"| {name} | {got.per_second:.0f} | {got.percentile(50):.0f} | {got.percentile(99):.0f} "
            f"| {errors} | {got.wrong} of {len(got.seconds)} |"
        )


if __name__ == "__main__":
    main()
