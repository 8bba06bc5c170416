"""Server's end of a worker process."""

import asyncio
import contextlib
import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from cris.errors import InputError
from cris.serving.logs import log
from cris.serving.messages import HEADER, Failed, Ready, Reply, SegmentJob, packed, unpacked
from cris.serving.worker import WorkerSettings, command

Result = TypeVar("Result")
_PARTING_SECONDS = 5.0


class WorkerError(Exception):
    """Error when the process ended, or was ended, before it answered."""


class Worker:
    """Running process, talked to from threads: the end of the process ends what they wait for."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Start the process; `start` also waits for its model."""
        self.ready: Ready | None = None
        """Report of its model, once that is loaded."""
        self._process = subprocess.Popen(
            command(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        threading.Thread(target=self._log_stderr, daemon=True).start()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="worker")
        self._is_asked = False
        self.gone = asyncio.ensure_future(self._in_thread(self._process.wait))
        """Future that is done as soon as the process has ended, with its exit code."""

    @classmethod
    async def start(cls, settings: WorkerSettings) -> "Worker":
        """Return a worker, once its model is loaded.

        Raises:
            InputError: the model cannot be loaded.
            ModuleNotFoundError: it needs a package that is not installed.
            RuntimeError: a bug kept it from loading.
            WorkerError: it ended without saying why.
        """
        worker = cls(settings)
        try:
            first = await worker._in_thread(worker._read)
            if isinstance(first, Failed):
                if first.missing is not None:
                    raise ModuleNotFoundError(first.detail, name=first.missing)
                if first.is_bug:
                    raise RuntimeError(f"the worker failed:\n{first.detail}")
                raise InputError(first.detail)
            assert isinstance(first, Ready), first
        except BaseException:
            await worker.kill()
            raise
        worker.ready = first
        return worker

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    async def ask(self, asks: Sequence[SegmentJob]) -> Reply:
        """Return the answers to a batch; after a WorkerError, and when cancelled, it must be killed."""
        self._is_asked = True
        reply = await self._in_thread(lambda: self._exchange(packed(list(asks))))
        self._is_asked = False
        assert isinstance(reply, Reply), reply
        return reply

    async def end(self) -> None:
        """Let it stop, and kill it when it does not, or when somebody still waits for its answer."""
        if not self._is_asked:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            await asyncio.wait({self.gone}, timeout=_PARTING_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """Stop it, whatever it is doing."""
        self._process.kill()
        await asyncio.shield(self.gone)
        await self._in_thread(self._close)  # not here: a thread may be about to see that the pipes ended
        self._threads.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _exchange(self, content: bytes) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._death() from error
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        header = self._process.stdout.read(HEADER.size)
        if len(header) < HEADER.size:
            raise self._death()
        (length,) = HEADER.unpack(header)
        content = self._process.stdout.read(length)
        if len(content) < length:
            raise self._death()
        return unpacked(content)

    def _log_stderr(self) -> None:
        """Log what its libraries print, line by line; libtiff does so of damaged images."""
        assert self._process.stderr is not None
        with self._process.stderr as stderr:
            for line in stderr:
                log("worker said", logging.WARNING, line=line.decode(errors="backslashreplace").rstrip())

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _death(self) -> WorkerError:
        return WorkerError(f"the worker ended with code {self._process.wait()}")
