"""What Label Studio's tasks ask of the model, and what becomes of its answers."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pydantic
import pytest

from cris.masks import encode_rle
from cris.serving.batcher import BatchedResult, Batcher
from cris.serving.label_studio import LabelStudioBackend, LabelStudioSettings, PredictRequest, SetupRequest
from cris.serving.limits import Limits, RefusalError
from cris.serving.messages import SegmentJob, SegmentResult
from tests.fixtures.label_studio import CONFIG, asked, drawn, set_up, typed

MASK = np.zeros((20, 30), dtype=bool)
MASK[5:10, 5:20] = True
DATA = "data:image/png;base64,AAAA"


@dataclass
class Line:
    """Stands in for the line before the model; it finds everything but what is called absent."""

    limits: Limits = field(default_factory=Limits)
    jobs: list[SegmentJob] = field(default_factory=list)

    async def ask(self, job: SegmentJob) -> BatchedResult:
        self.jobs.append(job)
        results = [_result(sentence) for sentence in job.sentences]
        answer = SegmentResult(width=30, height=20, results=results, is_cached=False)
        return BatchedResult(answer=answer, queue_seconds=0, batch_seconds=0, batch_requests=1)


def _result(sentence: str) -> dict[str, Any]:
    mask = MASK & ("absent" not in sentence)
    box = [5, 5, 20, 10] if mask.any() else None
    return {"sentence": sentence, "score": 0.25, "box": box, "rle": encode_rle(mask)}


def predict(body: dict[str, Any], line: Line | None = None) -> dict[str, Any]:
    async def run() -> list[dict[str, Any]]:
        backend = LabelStudioBackend(cast(Batcher, line or Line()), LabelStudioSettings(model_version="v1"))
        return await backend.predict(PredictRequest.model_validate(body))

    (found,) = asyncio.run(run())
    return found


def labels(found: dict[str, Any]) -> list[str]:
    return [region["value"]["brushlabels"][0] for region in found["result"]]


def test_labels_are_asked_by_the_name_that_annotators_read_and_stored_by_their_alias():
    line = Line()
    found = predict(asked(DATA), line)
    assert [job.sentences for job in line.jobs] == [["red ring", "blue square"]]
    assert labels(found) == ["red ring", "square"]
    assert found["score"] == 0.25
    assert all(np.array_equal(drawn(region), MASK) for region in found["result"])
    assert len({region["id"] for region in found["result"]}) == 2


def test_what_is_absent_has_no_region():
    found = predict(asked(DATA, config=CONFIG.replace("blue square", "absent thing")))
    assert labels(found) == ["red ring"]
    nothing = predict(asked(DATA, "the absent one"))
    assert nothing == {"result": [], "score": 0.0, "model_version": "v1"}


def test_a_typed_sentence_is_asked_alone_and_gets_the_label_it_names_or_the_first():
    line = Line()
    assert labels(predict(asked(DATA, "the blue square there"), line)) == ["square"]
    assert labels(predict(asked(DATA, "the one on the left"), line)) == ["red ring"]
    assert [job.sentences for job in line.jobs] == [["the blue square there"], ["the one on the left"]]


def test_text_of_other_areas_is_no_prompt():
    line = Line()
    predict(asked(DATA, drafts=[{"result": [typed("a remark", "remark"), {"type": "choices"}]}]), line)
    assert line.jobs[0].sentences == ["red ring", "blue square"]


def test_more_typed_sentences_than_a_request_may_have_are_refused():
    line = Line()
    assert len(predict(asked(DATA, *["a cat"] * 32), line)["result"]) == 32
    with pytest.raises(RefusalError, match="expected at most 32 typed sentences, got more"):
        predict(asked(DATA, *["a cat"] * 100_000), line)
    with pytest.raises(RefusalError, match="expected at most 1000 characters a sentence, got 5000000"):
        predict(asked(DATA, "a cat " * 833_333 + "xx"), line)
    assert len(line.jobs) == 1


def test_a_long_request_leaves_its_places_to_those_that_come_after():
    order: list[str] = []

    @dataclass
    class Slow(Line):
        async def ask(self, job: SegmentJob) -> BatchedResult:
            await asyncio.sleep(0.01)
            order.append(job.sentences[0])
            return await super().ask(job)

    async def run() -> None:
        backend = LabelStudioBackend(cast(Batcher, Slow()), LabelStudioSettings())
        many = asked(DATA, "one of many")
        many["tasks"] *= 40
        bulk = asyncio.create_task(backend.predict(PredictRequest.model_validate(many)))
        await asyncio.sleep(0.005)
        await backend.predict(PredictRequest.model_validate(asked(DATA, "typed just now")))
        await bulk

    asyncio.run(run())
    assert len(order) == 41
    assert order.index("typed just now") < 12


def test_what_is_no_text_is_left_out_of_a_task():
    """Else twenty megabytes of brackets take 730 of memory for as long as the request is under way."""
    drafts = [{"result": [{"value": {"text": ["a", 3, [["b"]]], "rle": [1, 2]}}, {"value": {"text": {}}}]}]
    body = asked(DATA, drafts=drafts)
    body["tasks"][0]["data"] |= {"number": 3, "much": [[{}]], "name": "b"}
    (task,) = PredictRequest.model_validate_json(json.dumps(body)).tasks
    assert task.data == {"image": DATA, "name": "b"}
    assert [region.value for region in task.drafts[0].result] == [{"text": ["a"]}, {}]


def test_what_setup_tells_is_short():
    for much in (set_up(config="x" * 2**21), set_up(hostname="h" * 3000), set_up(token="t" * 20_000)):
        with pytest.raises(pydantic.ValidationError, match="at most"):
            SetupRequest.model_validate(much)


def test_the_configuration_of_setup_stands_in():
    async def run() -> Any:
        backend = LabelStudioBackend(cast(Batcher, Line()), LabelStudioSettings())
        backend.set_up(SetupRequest.model_validate(set_up()))
        return await backend.predict(PredictRequest.model_validate(asked(DATA) | {"label_config": None}))

    assert labels(asyncio.run(run())[0]) == ["red ring", "square"]


@pytest.mark.parametrize(
    "image", [None, 3, "", "data:", "data:image/png,abc", "/data/upload/1/a.png", "s3://a/b"]
)
def test_a_task_without_an_image_is_refused(image):
    with pytest.raises(RefusalError) as refusal:
        predict(asked(image))
    assert refusal.value.status == 422


def test_the_server_s_own_key_goes_to_no_address_that_setup_names():
    async def run() -> Any:
        settings = LabelStudioSettings(url="https://labels.example.org", key="ours")
        backend = LabelStudioBackend(cast(Batcher, Line()), settings)
        backend.set_up(SetupRequest.model_validate(set_up("http://elsewhere.example.org", "theirs")))
        return backend._projects.popitem()[1]

    project = asyncio.run(run())
    assert (project.url, project.key) == ("https://labels.example.org", "ours")
