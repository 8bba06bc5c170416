"""Batches of requests that wait at the same time, and a worker kept alive to answer them."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType

from cris.errors import InputError
from cris.serving.limits import Limits, RefusalError, internal_error
from cris.serving.logs import log
from cris.serving.messages import JobError, Ready, SegmentJob, SegmentResult
from cris.serving.metrics import Metrics
from cris.serving.process import Worker, WorkerError
from cris.serving.worker import WorkerSettings

_LONGEST_PAUSE = 30.0
"""Longest pause between attempts to start a worker, in seconds; the first comes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedResult:
    """Answer with its timings."""

    answer: SegmentResult
    queue_seconds: float
    """Seconds in line."""
    batch_seconds: float
    """Seconds in the model, with all that was asked together with it."""
    batch_requests: int
    """Number of requests asked together, this one included."""


@dataclass(slots=True, eq=False)
class _Waiter:
    ask: SegmentJob
    answered: asyncio.Future[BatchedResult]
    is_suspect: bool = False
    """True if a worker died that had it, and others: it is asked once more, alone."""
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """One worker, and the line before it.

    A batch is whatever waits when the worker becomes free, up to `batch_size` sentences: nobody waits for
    others to come.
    """

    def __init__(self, settings: WorkerSettings, limits: Limits, metrics: Metrics) -> None:
        """Prepare the batcher, a context; nothing is started yet."""
        self.settings = settings
        self.limits = limits
        self.metrics = metrics
        self.worker: Worker | None = None
        """Worker; None while there is none that can answer."""
        self._waiting: deque[_Waiter] = deque()
        self._has_work = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        metrics.waiting.set_function(lambda: len(self._waiting))

    async def __aenter__(self) -> "Batcher":
        """Load the model; raise InputError when it cannot be loaded."""
        try:
            self._set_worker(await Worker.start(self.settings))
        except WorkerError as error:
            raise InputError(f"the model could not be loaded: {error}") from error
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the worker; refuse whoever still waits."""
        assert self._keeper is not None
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        if self.worker is not None:
            await self.worker.end()
        self._refuse(list(self._waiting), unavailable("the server is stopping"))

    @property
    def ready(self) -> Ready | None:
        """Return what the worker said of its model; None while there is none that can answer."""
        return self.worker.ready if self.worker else None

    @property
    def worker_pid(self) -> int | None:
        """Return the id of the process that has the model."""
        return self.worker.pid if self.worker else None

    async def ask(self, ask: SegmentJob) -> BatchedResult:
        """Return the answer to one request; cancelled, it leaves the line.

        Raises RefusalError: the line is full, the worker died, time is up, an image or a sentence is bad.
        """
        if self.worker is None:
            raise unavailable("the model is being loaded again")
        if len(self._waiting) >= self.limits.waiting:
            raise RefusalError(
                429,
                "overloaded",
                f"{len(self._waiting)} requests are waiting already",
                "ask again later, or ask several sentences of one image together",
                retry_after=1,
            )
        waiter = _Waiter(ask, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._has_work.set()
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await waiter.answered
        except TimeoutError as error:
            raise unavailable(f"no answer within {self.limits.seconds:g} s", error="timeout") from error
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)

    async def _keep(self) -> None:
        """Serve with one worker after the other."""
        pause = 0.0
        while True:
            try:
                if self.worker is None:
                    self._set_worker(await Worker.start(self.settings))
                    self.metrics.restarts.inc()
                    log("worker started", worker=self.worker_pid)
                assert self.worker is not None
                await self._serve(self.worker)
            except Exception as error:  # were it to end here, requests would wait for ever
                if self.worker is not None:
                    pause = 0.0
                    worker = self.worker
                    self._set_worker(None)
                    await worker.kill()
                is_known = isinstance(error, WorkerError | InputError)
                log("worker died", logging.ERROR, traceback=not is_known, reason=str(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause + 0.5)

    async def _serve(self, worker: Worker) -> None:
        """Answer batches; raise WorkerError."""
        while True:
            self._has_work.clear()
            if not self._waiting:
                work = asyncio.ensure_future(self._has_work.wait())
                await asyncio.wait({work, worker.gone}, return_when=asyncio.FIRST_COMPLETED)
                work.cancel()
            if worker.gone.done():
                raise WorkerError(f"the worker ended with code {worker.gone.result()}")
            await self._answer(worker, self._next_batch())

    def _next_batch(self) -> list[_Waiter]:
        """Return the first in line, and those behind it as long as there are not too many sentences.

        Suspects, who are the first in line, go alone.
        """
        batch: list[_Waiter] = []
        sentences = 0
        while self._waiting:
            sentences += len(self._waiting[0].ask.sentences)
            if batch and (batch[0].is_suspect or sentences > self.settings.batch_size):
                break
            batch.append(self._waiting.popleft())
        return [waiter for waiter in batch if not waiter.answered.done()]

    async def _answer(self, worker: Worker, batch: list[_Waiter]) -> None:
        if not batch:
            return
        start = time.perf_counter()
        try:
            async with asyncio.timeout(self.limits.seconds):
                reply = await worker.ask([waiter.ask for waiter in batch])
        except BaseException as error:  # whatever it is, nobody is left waiting
            if isinstance(error, WorkerError) and len(batch) > 1:
                self._ask_again_alone(batch)
            else:
                self._refuse(batch, unavailable("the worker that had this request died", error="worker_died"))
            if isinstance(error, TimeoutError):
                raise WorkerError(f"no reply within {self.limits.seconds:g} s") from error
            raise
        self.metrics.batch_requests.observe(len(batch))
        self.metrics.batch_seconds.observe(reply.seconds)
        self.metrics.cache_bytes.set(reply.cache_bytes)
        for waiter, answer in zip(batch, reply.answers, strict=True):
            self.metrics.queue_seconds.observe(start - waiter.since)
            if waiter.answered.done():  # its client is gone
                continue
            if isinstance(answer, JobError):
                waiter.answered.set_exception(_refused(answer))
                continue
            self.metrics.sentences.inc(len(answer.results))
            self.metrics.cached.inc(answer.is_cached)
            waiter.answered.set_result(
                BatchedResult(
                    answer=answer,
                    queue_seconds=start - waiter.since,
                    batch_seconds=reply.seconds,
                    batch_requests=len(batch),
                )
            )

    def _ask_again_alone(self, batch: list[_Waiter]) -> None:
        """Put the batch back in line, each alone: if one killed the worker, only that one will again."""
        for waiter in reversed(batch):
            if not waiter.answered.done():
                waiter.is_suspect = True
                self._waiting.appendleft(waiter)

    def _set_worker(self, worker: Worker | None) -> None:
        self.worker = worker
        self.metrics.is_ready.set(worker is not None)

    def _refuse(self, waiters: list[_Waiter], refusal: RefusalError) -> None:
        for waiter in waiters:
            if not waiter.answered.done():
                waiter.answered.set_exception(refusal)


def unavailable(detail: str, *, error: str = "unavailable") -> RefusalError:
    """Return the refusal for what is no fault of the request, and passes."""
    return RefusalError(503, error, detail, "ask again", retry_after=1)


def _refused(refusal: JobError) -> RefusalError:
    match refusal.kind:
        case "picture":
            return RefusalError(
                422,
                "bad_picture",
                refusal.detail,
                "send a whole image file: JPEG, PNG, WebP, GIF, TIFF, BMP…",
            )
        case "sentence":
            return RefusalError(
                422, "bad_sentence", refusal.detail, "send short sentences such as 'the man in red'"
            )
        case "bug":
            log("error", logging.ERROR, traceback=refusal.detail)
            return internal_error()
        case "memory":
            return RefusalError(503, "out_of_memory", refusal.detail, "send a smaller image", retry_after=5)
