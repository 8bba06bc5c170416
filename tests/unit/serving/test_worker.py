import hashlib
import io

from cris.errors import BUG
from cris.serving.messages import HEADER, Failed, Ready, SegmentJob, SegmentResult, packed, unpacked
from cris.serving.worker import WorkerSettings, run
from tests.fixtures.served import png


def ask(image: bytes, *sentences: str) -> SegmentJob:
    return SegmentJob(image=image, digest=hashlib.sha256(image).digest(), sentences=list(sentences))


def test_a_worker_answers_until_its_pipe_ends():
    asks, replies = io.BytesIO(packed([ask(png(), "the red ring")])), io.BytesIO()
    assert run(WorkerSettings(model="cris-scenes", device="cpu"), asks, replies) == 0
    replies.seek(0)
    messages = []
    while header := replies.read(HEADER.size):
        messages.append(unpacked(replies.read(*HEADER.unpack(header))))
    ready, reply = messages
    assert isinstance(ready, Ready)
    assert ready.device == "cpu"
    assert isinstance(reply.answers[0], SegmentResult)


def test_a_worker_without_its_model_says_why():
    replies = io.BytesIO()
    assert run(WorkerSettings(model="no such model"), io.BytesIO(), replies) == 1
    failed = unpacked(replies.getvalue()[HEADER.size :])
    assert isinstance(failed, Failed)
    assert "there is no model" in failed.detail
    assert not failed.is_bug


def test_a_bug_while_the_model_is_loaded_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("cris.segmenter.Segmenter.predict", lambda *_: list(zip([1], [], strict=True)))
    replies = io.BytesIO()
    assert run(WorkerSettings(model="cris-scenes", device="cpu"), io.BytesIO(), replies) == BUG
    failed = unpacked(replies.getvalue()[HEADER.size :])
    assert failed.is_bug
    assert "zip() argument 2" in failed.detail
