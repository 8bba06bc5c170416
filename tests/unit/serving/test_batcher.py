"""What becomes of requests when their worker dies; the server's tests ask a real one."""

import asyncio
import hashlib
from collections.abc import Sequence

import pytest

from cris.serving import batcher
from cris.serving.batcher import BatchedResult, Batcher
from cris.serving.limits import Limits, RefusalError
from cris.serving.messages import Ready, Reply, SegmentJob, SegmentResult
from cris.serving.metrics import Metrics
from cris.serving.process import WorkerError
from cris.serving.worker import WorkerSettings

POISON = b"poison"


class FrailWorker:
    """Stands in for a process: it dies of the poison, and remembers what all of them were asked together."""

    pid = 1
    ready = Ready(sentence_length=17, input_size=64, threshold=0.5, device="cpu")
    batches: list[list[bytes]]

    def __init__(self) -> None:
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(cls, settings: WorkerSettings) -> "FrailWorker":
        return cls()

    async def ask(self, asks: Sequence[SegmentJob]) -> Reply:
        self.batches.append([ask.image for ask in asks])
        if POISON in self.batches[-1]:
            raise WorkerError("the worker ended with code -11")
        answers = [SegmentResult(width=1, height=1, results=[{}], is_cached=False) for _ in asks]
        return Reply(answers=answers, seconds=0, cache_bytes=0)

    async def kill(self) -> None: ...

    async def end(self) -> None: ...


@pytest.fixture(autouse=True)
def frail_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrailWorker, "batches", [], raising=False)
    monkeypatch.setattr(batcher, "Worker", FrailWorker)


def answers_to(*images: bytes) -> list[BatchedResult | BaseException]:
    """Asked at the same time."""

    async def asked() -> list[BatchedResult | BaseException]:
        async with Batcher(WorkerSettings(model="any"), Limits(), Metrics()) as opened:
            return await asyncio.gather(*map(opened.ask, map(ask, images)), return_exceptions=True)

    return asyncio.run(asked())


def ask(image: bytes) -> SegmentJob:
    return SegmentJob(image=image, digest=hashlib.sha256(image).digest(), sentences=["left dog"])


def test_only_the_request_that_kills_the_worker_is_refused():
    first, refusal, last = answers_to(b"first", POISON, b"last")
    assert isinstance(first, BatchedResult)
    assert isinstance(last, BatchedResult)
    assert isinstance(refusal, RefusalError)
    assert (refusal.status, refusal.body["error"]) == (503, "worker_died")
    assert FrailWorker.batches == [[b"first", POISON, b"last"], [b"first"], [POISON], [b"last"]]


def test_a_request_that_was_alone_is_refused_at_once():
    (refusal,) = answers_to(POISON)
    assert isinstance(refusal, RefusalError)
    assert FrailWorker.batches == [[POISON]]


def test_those_behind_the_suspects_are_asked_together_again():
    size = WorkerSettings(model="any").batch_size
    images = [POISON, *(f"{number}".encode() for number in range(2 * size - 1))]
    refusal, *answers = answers_to(*images)
    assert isinstance(refusal, RefusalError)
    assert all(isinstance(answer, BatchedResult) for answer in answers)
    alone = [[image] for image in images[:size]]
    assert FrailWorker.batches == [images[:size], *alone, images[size:]]
