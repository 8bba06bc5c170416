"""A server as users start it: `cris serve` in a process of its own, on a free port of the loopback."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

START_SECONDS = 120


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    process: subprocess.Popen[str]
    log_file: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, **options)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def log(self) -> list[dict[str, Any]]:
        """What it logged up to now; a line that is no JSON is an error."""
        lines = self.log_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def worker(self) -> int:
        """Process id of the latest worker."""
        return [entry["worker"] for entry in self.log() if entry.get("worker")][-1]

    def segment(self, client: httpx.Client, image: bytes, *sentences: str, **fields: Any) -> httpx.Response:
        return client.post(
            "/v1/segment", files={"image": image}, data={"sentence": list(sentences), **fields}
        )

    def wait_until_ready(self, client: httpx.Client) -> None:
        wait_for(lambda: client.get("/readyz").status_code == 200)


@contextmanager
def served(
    *options: str, model: str = "cris-scenes", env: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Started with these options, and stopped at the end, however that comes."""
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "log"
        with log_file.open("w") as log:
            process = subprocess.Popen(
                [Path(sys.executable).parent / "cris", "serve", model, "--port", "0", *options],
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None
        try:
            announced = process.stdout.readline()
            assert " at http://" in announced, log_file.read_text()
            yield Served(announced.split()[-1], process, log_file)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(START_SECONDS)
            finally:
                process.kill()
                process.stdout.close()


def wait_for(condition: Any, seconds: float = 60) -> None:
    """Until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def png(height: int = 40, width: int = 60, seed: int = 0) -> bytes:
    """An image of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return encoded(pixels)


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not only waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
