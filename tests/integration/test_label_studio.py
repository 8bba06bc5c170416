"""The server as Label Studio's ML backend: payloads in the tool's form, bad ones, and the tool itself."""

import base64
import copy
import json
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import numpy as np
import pytest

from cris import Segmenter
from cris.data.scenes import Scenes
from tests.fixtures.label_studio import (
    CONFIG,
    POLYGONS,
    PROGRAM,
    TOKEN,
    ImageServer,
    drawn,
    image_server,
    label_studio,
    set_up,
    typed,
    within_a_pixel,
)
from tests.fixtures.label_studio import asked as asked_with
from tests.fixtures.plugin import Proof
from tests.fixtures.served import Served, encoded, served

SAMPLE = Scenes("test")[1]
IMAGE = encoded(SAMPLE.image)
DATA = f"data:image/png;base64,{base64.b64encode(IMAGE).decode()}"
OTHER = "the purple heart"
CONFIG = CONFIG.replace("red ring", SAMPLE.sentence)
POLYGONS = POLYGONS.replace("red ring", SAMPLE.sentence)
asked = partial(asked_with, config=CONFIG)


@pytest.fixture(scope="module")
def images() -> Iterator[ImageServer]:
    with image_server() as running:
        running.answers["/a.png"] = 200, {}, IMAGE
        yield running


@pytest.fixture(scope="module")
def server(images: ImageServer) -> Iterator[Served]:
    hosts = ("--image-hosts", f"127.0.0.1:{images.port}")
    with served("--no-page", "--max-body", "4", "--label-studio", *hosts) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as opened:
        server.wait_until_ready(opened)
        yield opened


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    segmenter = Segmenter.from_pretrained("cris-scenes", "cpu", is_strict=True)
    return segmenter.predict(IMAGE, SAMPLE.sentence).mask


def predicted(client: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def regions(client: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    (prediction,) = predicted(client, body)
    assert prediction.keys() == {"result", "score", "model_version"}
    return prediction["result"]


def test_the_tool_is_told_that_the_backend_is_up_and_which_model_it_has(client):
    assert client.get("/health").json()["status"] == "UP"
    version = client.post("/setup", json=set_up()).json()["model_version"]
    assert version.startswith("cris-scenes-")
    assert client.get("/versions").json() == {"versions": [version]}
    assert predicted(client, asked(DATA, SAMPLE.sentence))[0]["model_version"] == version


@pytest.mark.parametrize("config", [CONFIG, POLYGONS], ids=["brush", "polygons"])
def test_a_typed_sentence_gets_its_mask(client, expected, config):
    found = regions(client, asked(DATA, SAMPLE.sentence, config=config))
    assert within_a_pixel(np.any([drawn(region) for region in found], axis=0), expected)
    (name, kind), *others = {(region["from_name"], region["type"]) for region in found}
    assert (name, kind) == (("brush", "brushlabels") if config == CONFIG else ("outline", "polygonlabels"))
    assert not others
    for region in found:
        assert region["to_name"] == "img"
        assert region["value"][kind] == [SAMPLE.sentence]
        assert 0 < region["score"] <= 1


def test_a_brush_has_the_very_mask_as_the_tool_s_own_decoder_reads_it(client, expected):
    (region,) = regions(client, asked(DATA, SAMPLE.sentence))
    assert (drawn(region) != expected).sum() <= 1
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    theirs = brush.decode_rle(region["value"]["rle"]).reshape(*expected.shape, 4)[..., 3] > 0
    assert np.array_equal(theirs, drawn(region))


def test_the_labels_names_are_asked_where_nothing_was_typed(client, expected):
    first, second = regions(client, asked(DATA))
    assert first["value"]["brushlabels"] == [SAMPLE.sentence]
    assert (drawn(first) != expected).sum() <= 1
    assert second["value"]["brushlabels"] == ["square"]


def test_a_draft_s_sentence_is_asked_and_what_was_just_typed_before_it(client):
    drafts = [{"id": 1, "result": [typed("the old one")]}, {"id": 2, "result": [typed(SAMPLE.sentence)]}]
    assert regions(client, asked(DATA, drafts=drafts)) == regions(client, asked(DATA, SAMPLE.sentence))
    assert regions(client, asked(DATA, OTHER, drafts=drafts)) == regions(client, asked(DATA, OTHER))


def test_images_come_from_an_address_or_from_the_tool_with_its_key(client, images):
    direct = regions(client, asked(DATA, SAMPLE.sentence))
    for region in direct:
        del region["id"]  # it is of the image's address
    images.answers["/data/upload/1/a.png"] = 200, {}, IMAGE
    client.post("/setup", json=set_up(images.url))
    images.came.clear()
    for address in (f"{images.url}/a.png", "/data/upload/1/a.png", "upload/1/a.png"):
        found = regions(client, asked(address, SAMPLE.sentence))
        for region in found:
            del region["id"]
        assert found == direct
    assert [path for path, _ in images.came] == ["/a.png", *2 * ["/data/upload/1/a.png"]]
    assert images.came[1][1]["Authorization"] == f"Token {TOKEN}"


def test_a_personal_access_token_is_exchanged_for_a_key(client, images):
    images.answers["/api/token/refresh/"] = 200, {}, b'{"access": "short-lived"}'
    images.answers["/data/upload/1/a.png"] = 200, {}, IMAGE
    payload = base64.urlsafe_b64encode(b'{"token_type": "refresh"}').decode().rstrip("=")
    client.post("/setup", json=set_up(images.url, token=f"e30.{payload}.c2ln"))
    images.came.clear()
    assert regions(client, asked("/data/upload/1/a.png", SAMPLE.sentence))
    assert [path for path, _ in images.came] == ["/api/token/refresh/", "/data/upload/1/a.png"]
    assert images.came[1][1]["Authorization"] == "Bearer short-lived"


def test_what_setup_says_leads_to_no_host_that_was_not_named(client, images):
    with image_server() as other:
        other.answers["/data/upload/1/a.png"] = 200, {}, IMAGE
        client.post("/setup", json=set_up(other.url))
        answer = client.post("/predict", json=asked("/data/upload/1/a.png", SAMPLE.sentence))
        assert (answer.status_code, answer.json()["error"]) == (403, "image_host")
        assert not other.came


def test_one_bad_task_of_many_has_the_reason_in_its_place(client, server):
    body = asked(DATA, SAMPLE.sentence)
    bad = {"id": 2, "data": {"image": "http://169.254.169.254/latest"}}
    body["tasks"].append(bad)
    good, refusal = predicted(client, body)
    assert good["result"]
    assert refusal.keys() == {"error", "detail", "hint"}  # which the tool logs, and takes no prediction
    told = [entry for entry in server.log() if entry["event"] == "no prediction"]
    assert "169.254.169.254 is not among the hosts" in told[-1]["reason"]
    body["tasks"] = [bad, bad]
    assert client.post("/predict", json=body).status_code == 403


def test_more_labels_than_sentences_in_a_request_are_asked_in_turns(client):
    labels = "".join(f'<Label value="thing number {n}"/>' for n in range(40))
    config = CONFIG.replace("</BrushLabels>", f"{labels}</BrushLabels>")
    assert SAMPLE.sentence in [
        each["value"]["brushlabels"][0] for each in regions(client, asked(DATA, config=config))
    ]


@pytest.mark.parametrize("path", ["/webhook", "/train", "/job_status", "/validate", "/delete"])
def test_what_the_tool_tells_besides_is_answered(client, path):
    assert client.post(path, json={"action": "ANNOTATION_CREATED"}).json() == {"status": "ok"}


def test_without_the_option_there_is_no_backend():
    with served("--no-page") as running, running.client() as client:
        assert client.get("/health").status_code == 404
        assert client.post("/predict", json=asked(DATA)).status_code == 404


def malformed(rng: random.Random) -> bytes:
    """Return the body of a request with something wrong in it."""
    body = copy.deepcopy(asked(DATA, SAMPLE.sentence, drafts=[{"result": [typed("left")]}]))
    junk: list[Any] = [
        *(
            None,
            True,
            0,
            -1,
            1e308,
            10**30,
            "",
            "\x00",
            "\U0001f415",
            "x" * 5000,
            [],
            {},
            [[]],
            [None],
            {"": None},
        ),
        *(
            "http://127.0.0.1:1/",
            "http://[",
            "data:",
            "data:image/png;base64,AAAA",
            "data:,x",
            "//",
            "/data/upload/1/a",
        ),
        *("<View>", "<View/>", "<!DOCTYPE a>", CONFIG[:-9], "$image", {"result": 3}, {"result": [3, None]}),
        *("file:///etc/passwd", "http://169.254.169.254/", {"text": {"a": 1}}, ["a", 1, None], "ünïcode"),
    ]
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                walk(value[key])

    walk(body)
    for _ in range(rng.randint(1, 3)):
        parent, key = rng.choice(places)
        if rng.random() < 0.2 and isinstance(parent, dict):
            parent.pop(key, None)
        else:
            parent[key] = rng.choice(junk)
    content = json.dumps(body).encode()
    match rng.randrange(8):
        case 0:
            return content[: rng.randrange(len(content))]
        case 1:
            place = rng.randrange(len(content))
            return content[:place] + rng.randbytes(3) + content[place:]
        case 2:
            return rng.choice(
                [b"", b"[" * 100_000, b"null", b"[]", b'"\\ud800"', b"NaN", b"\xff\xfe", b"{}" * 9]
            )
    return content


def test_malformed_payloads_are_no_fault_of_the_server(client, server, prove: Proof):
    """Without a 5xx; and the next request is answered as ever."""
    count = prove.count(full=1000, quick=100)
    rng = random.Random(0)
    statuses: dict[int, int] = {}
    for _ in range(count):
        path = rng.choice(["/predict"] * 8 + ["/setup", "/webhook"])
        status = client.post(
            path, content=malformed(rng), headers={"content-type": "application/json"}
        ).status_code
        statuses[status] = statuses.get(status, 0) + 1
    assert max(statuses) < 500, statuses
    assert sum(count for status, count in statuses.items() if status >= 400) > count / 3
    assert regions(client, asked(DATA, SAMPLE.sentence))
    prove.figure("Label Studio: malformed payloads, by status", dict(sorted(statuses.items())))


@pytest.mark.skipif(
    PROGRAM is None, reason="needs Label Studio: pip install label-studio elsewhere, set LABEL_STUDIO"
)
def test_the_tool_itself_gets_masks(expected, prove: Proof):
    """An upload and a sentence, as an annotator would; then all tasks, by the labels' names."""
    with label_studio() as tool:
        _try(tool, expected)
    prove.figure("Label Studio itself: masks of an upload, typed and by label", "equal to Segmenter.predict")


def _try(tool: httpx.Client, expected: np.ndarray) -> None:
    with served("--no-page", "--label-studio", "--image-hosts", tool.base_url.netloc.decode()) as running:
        project = tool.post("/api/projects/", json={"title": "rings", "label_config": CONFIG}).json()["id"]
        uploaded = tool.post(
            f"/api/projects/{project}/import", files={"image": ("a.png", IMAGE, "image/png")}
        )
        assert uploaded.status_code == 201, uploaded.text
        connected = tool.post(
            "/api/ml/", json={"project": project, "url": running.url, "title": "cris", "is_interactive": True}
        )
        assert connected.status_code == 201, connected.text
        backend = connected.json()
        assert (backend["readable_state"], backend["model_version"][:5]) == ("Connected", "cris-")
        (task,) = tool.get("/api/tasks/", params={"project": project}).json()["tasks"]

        asked_of = {"task": task["id"], "context": {"result": [typed(SAMPLE.sentence)]}}
        answer = tool.post(f"/api/ml/{backend['id']}/interactive-annotating", json=asked_of).json()
        assert "errors" not in answer, answer
        (region,) = answer["data"]["result"]
        assert (drawn(region) != expected).sum() <= 1

        asked_for = {"selectedItems": {"all": True, "excluded": []}, "project": project}
        action = {"id": "retrieve_tasks_predictions", "project": project}
        retrieved = tool.post("/api/dm/actions/", params=action, json=asked_for)
        assert retrieved.status_code == 200, retrieved.text
        (prediction,) = tool.get(f"/api/tasks/{task['id']}/").json()["predictions"]
        assert prediction["model_version"] == backend["model_version"]
        assert SAMPLE.sentence in [each["value"]["brushlabels"][0] for each in prediction["result"]]
