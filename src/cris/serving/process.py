"""The server's end of a worker process."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from cris.serving.messages import HEADER, Ask, Failed, Ready, Reply, packed, unpacked
from cris.serving.worker import WorkerSettings, command

_PARTING_SECONDS = 5.0


class WorkerError(Exception):
    """The process ended, or was ended, before it answered."""


class Worker:
    """A running worker that has its model."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Ready) -> None:
        """Of a process that said it is ready; `start` makes one."""
        self.ready = ready
        self.gone = asyncio.ensure_future(process.wait())
        """Done as soon as the process has ended."""
        self._process = process

    @classmethod
    async def start(cls, settings: WorkerSettings) -> "Worker":
        """A worker, once its model is loaded.

        Raises:
            ValueError: the model cannot be loaded.
            WorkerError: it ended without saying why.
        """
        process = await asyncio.create_subprocess_exec(
            *command(settings), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            first = await _read(process)
        except BaseException:
            await _end(process)
            raise
        if isinstance(first, Failed):
            await _end(process)
            raise ValueError(first.detail)
        assert isinstance(first, Ready), first
        return cls(process, first)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def ask(self, asks: Sequence[Ask]) -> Reply:
        """The answers to a batch. Raises WorkerError."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(packed(list(asks)))
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerError(f"the worker ended with code {await self.gone}") from error
        reply = await _read(self._process)
        assert isinstance(reply, Reply), reply
        return reply

    async def end(self) -> None:
        """Asks it to stop, and kills it when it does not."""
        await _end(self._process)

    async def kill(self) -> None:
        """Stops it, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


async def _read(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    try:
        (length,) = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
        return unpacked(await process.stdout.readexactly(length))
    except asyncio.IncompleteReadError as error:
        raise WorkerError(f"the worker ended with code {await process.wait()}") from error


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_PARTING_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
