"""`cris serve`: a model behind HTTP, with a page to try it."""

import asyncio
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from cris.cli.console import show
from cris.cli.errors import UsageError
from cris.engines.formats import EngineName, Precision
from cris.errors import InputError
from cris.jobs import model_sha256
from cris.registry import DEFAULT_MODEL, model_title, pinned, resolve
from cris.text_files import decode_text

if TYPE_CHECKING:
    from cris.serving.label_studio import LabelStudioSettings

KEY_VARIABLE = "CRIS_API_KEY"
URL_VARIABLE, TOKEN_VARIABLE = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"
_MEGA = 2**20


@dataclass(frozen=True, kw_only=True)
class Command:
    """Serve a model over HTTP, with a page to try it at /.

    `POST /v1/segment` takes an image and sentences, and `/openapi.json` describes it (see docs/http.md).
    Logs are JSON lines on stderr, without images and sentences. SIGTERM ends it once all is answered.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")] = DEFAULT_MODEL
    """Registered name or checkpoint folder, here or as --model."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    engine: EngineName | None = None
    """Engine that runs the model; the last two need the extra export. By default torch, or a folder's own."""
    precision: Precision | None = None
    """fp32, bf16 (torch, openvino) or int8 (onnx, openvino). By default fp32, or a folder's own."""
    batch_size: Annotated[int, tyro.conf.arg(metavar="N")] = 8
    """Sentences that go through the model together, of whoever waits; 1 asks one after the other."""
    cache: Annotated[int, tyro.conf.arg(metavar="MIB")] = 256
    """Memory for encoded images, in MiB; 0 keeps none."""
    max_body: Annotated[int, tyro.conf.arg(metavar="MIB")] = 20
    """Largest request, in MiB."""
    max_pixels: Annotated[int, tyro.conf.arg(metavar="N")] = 40_000_000
    """Largest image, in pixels."""
    max_sentences: Annotated[int, tyro.conf.arg(metavar="N")] = 32
    """Most sentences in a request."""
    max_waiting: Annotated[int, tyro.conf.arg(metavar="N")] = 256
    """Most requests in line; further ones get 429."""
    timeout: Annotated[float, tyro.conf.arg(metavar="S")] = 30.0
    """Seconds for reading a request, and for answering it."""
    api_key_file: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File with the key that every request must bring; or set CRIS_API_KEY. Without either there is none."""
    page: bool = True
    """Page at / to try the model."""
    label_studio: bool = False
    """Be an ML backend of Label Studio, too: annotators type a sentence and get a mask."""
    image_hosts: Annotated[tuple[str, ...], tyro.conf.arg(metavar="HOST")] = ()
    """Hosts that Label Studio's images may come from: HOST, HOST:PORT, *.HOST, or * for all public ones."""

    def run(self) -> int:
        """Serve until told to stop."""
        self._check()
        key = self._key()
        model = pinned(self.model)  # so that a worker that begins anew serves no other model
        folder = resolve(model)  # at once, as the worker that loads it takes seconds to start
        from cris.serving.limits import Limits
        from cris.serving.server import listen, serve
        from cris.serving.worker import WorkerSettings

        limits = Limits(
            body_bytes=self.max_body * _MEGA,
            held_bytes=max(2**29, 4 * self.max_body * _MEGA),
            pixels=self.max_pixels,
            sentences=self.max_sentences,
            waiting=self.max_waiting,
            seconds=self.timeout,
        )
        settings = WorkerSettings(
            model=model,
            device=self.device,
            engine=self.engine,
            precision=self.precision,
            batch_size=self.batch_size,
            cache_bytes=self.cache * _MEGA,
            pixels=self.max_pixels,
        )
        label_studio = self._label_studio(folder) if self.label_studio else None
        with listen(self.host, self.port) as at:
            asyncio.run(
                serve(
                    settings,
                    limits,
                    at,
                    key=key,
                    has_page=self.page,
                    announce=lambda url: show(f"{self.model} at {url}"),
                    label_studio=label_studio,
                )
            )
        return 0

    def _check(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port must be from 0 to 65535, got {self.port}")
        for name in ("batch_size", "max_body", "max_pixels", "max_sentences", "max_waiting", "timeout"):
            if getattr(self, name) <= 0:
                raise UsageError(f"--{name.replace('_', '-')} must be above 0, got {getattr(self, name)}")
        if self.cache < 0:
            raise UsageError(f"--cache must be at least 0 MiB, got {self.cache}")

        if self.image_hosts and not self.label_studio:
            raise UsageError("--image-hosts is for --label-studio: give both, or neither")

    def _label_studio(self, folder: Path) -> "LabelStudioSettings":
        from cris.serving.image_fetch import ImageHost
        from cris.serving.label_studio import LabelStudioSettings

        hosts = [ImageHost.parse(host) for host in self.image_hosts]
        url, key = (os.environ.get(name, "").strip() for name in (URL_VARIABLE, TOKEN_VARIABLE))
        if url:
            hosts.append(ImageHost.of_url(url, URL_VARIABLE))
        elif key:
            raise InputError(
                f"{TOKEN_VARIABLE} needs {URL_VARIABLE}, as the key is sent to that address alone"
            )
        if not all("!" <= sign <= "~" for sign in key):
            raise InputError(
                f"{TOKEN_VARIABLE} must be a key of Label Studio, got blanks or other signs in it"
            )
        digest = hashlib.sha256(json.dumps(model_sha256(folder)).encode()).hexdigest()
        return LabelStudioSettings(
            image_hosts=tuple(hosts),
            url=url or None,
            key=key or None,
            model_version=f"{model_title(self.model)}-{digest[:8]}",
        )

    def _key(self) -> str | None:
        if self.api_key_file is None:
            key = os.environ.get(KEY_VARIABLE)
            source = KEY_VARIABLE
        else:
            source = str(self.api_key_file)
            key = decode_text(self.api_key_file.read_bytes(), source)
        if key is not None and not key.strip():
            raise InputError(f"{source}: expected a key, found nothing")
        return None if key is None else key.strip()
