"""The server as a process: its contract, what bad input gets, and how it ends."""

import base64
import http.client
import io
import json
import os
import select
import signal
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from cris import Segmenter
from cris.data.scenes import Scenes
from cris.masks import decode_rle
from tests.fixtures.served import Served, encoded, is_alive, png, served, wait_for

SAMPLE = Scenes("test")[1]
IMAGE = encoded(SAMPLE.image)
SENTENCES = [SAMPLE.sentence, "the blue ring", "the pink heart"]
KEY = "open sesame"
MAX_PIXELS = 200_000
MAX_BODY = 2**20


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    options = ("--max-pixels", str(MAX_PIXELS), "--max-body", "1", "--max-sentences", "4", "--timeout", "20")
    with served("--no-page", *options) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as opened:
        server.wait_until_ready(opened)
        yield opened


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.from_pretrained("cris-scenes", "cpu", is_strict=True)


def problem(response: httpx.Response, status: int, error: str) -> dict[str, str]:
    assert response.status_code == status, response.text
    content = response.json()
    assert content.keys() == {"error", "detail", "hint"}
    assert content["error"] == error, content
    return content


def test_form_gets_what_the_direct_call_gives(server, client, segmenter):
    content = server.segment(client, IMAGE, *SENTENCES).json()
    assert content.keys() == {"model", "width", "height", "results"}
    assert content["model"] == "cris-scenes"
    assert (content["width"], content["height"]) == SAMPLE.image.shape[1::-1]
    for result, expected in zip(content["results"], segmenter.predict(IMAGE, SENTENCES), strict=True):
        assert result.keys() == {"sentence", "score", "box", "rle"}
        assert result["score"] == pytest.approx(expected.score, abs=1e-5)
        differs = decode_rle(result["rle"]) != expected.mask
        # another order of summing in a batch may move a pixel whose probability is at the threshold
        assert (abs(expected.probability[differs] - segmenter.inference.threshold) < 1e-4).all()


def test_json_gets_what_a_form_gets(server, client):
    as_json = {"image": base64.b64encode(IMAGE).decode(), "sentences": SENTENCES}
    answer = client.post("/v1/segment", json=as_json)
    assert answer.status_code == 200
    assert answer.json() == server.segment(client, IMAGE, *SENTENCES).json()


@pytest.mark.parametrize(
    "write",
    [
        lambda data: base64.encodebytes(data).decode(),
        lambda data: base64.b64encode(data).decode() + "\r\n",
        lambda data: base64.urlsafe_b64encode(data).decode(),
        lambda data: base64.b64encode(data).decode().rstrip("="),
        lambda data: f"data:image/png;base64,{base64.b64encode(data).decode()}",
    ],
    ids=["lines", "line end", "url-safe", "no padding", "data url"],
)
def test_base64_is_taken_as_anything_writes_it(server, client, write):
    data = png(seed=2) + b"\xff\xfe\xfb\xef"  # so that + and / are in it, and padding at its end
    answer = client.post("/v1/segment", json={"image": write(data), "sentences": ["the red ring"]})
    assert answer.json() == server.segment(client, data, "the red ring").json()


def test_extras_come_on_request(server, client, tmp_path):
    extras = ["polygons", "png", "cutout", "ambiguity", "timings"]
    content = server.segment(client, IMAGE, SENTENCES[1], include=extras).json()
    (result,) = content["results"]
    mask = decode_rle(result["rle"])
    (tmp_path / "mask.png").write_bytes(base64.b64decode(result["png"]))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.png")) > 0, mask)
    cutout = np.asarray(Image.open(io.BytesIO(base64.b64decode(result["cutout"]))))
    assert np.array_equal(cutout[..., 3] > 0, mask)
    corners = np.concatenate([np.reshape(part, (-1, 2)) for part in result["polygons"]]).astype(int)
    assert mask[corners[:, 1], corners[:, 0]].all()
    left, top, right, bottom = result["box"]
    assert corners.min(axis=0).tolist() == [left, top]
    assert (corners.max(axis=0) + 1).tolist() == [right, bottom]
    assert 0 <= result["ambiguity"] <= 1
    assert content["timings"].keys() == {"queue_ms", "batch_ms", "batch_requests", "is_cached"}


def test_a_image_is_encoded_once_for_all_requests(server, client):
    image = png(seed=1)
    timings = [
        server.segment(client, image, sentence, include="timings").json()["timings"] for sentence in SENTENCES
    ]
    assert [one["is_cached"] for one in timings] == [False, True, True]


def test_model_and_health_are_told(client):
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["input_size"], model["device"]) == ("cris-scenes", 192, "cpu")
    assert client.get("/healthz").json() == client.get("/readyz").json() == {"status": "ok"}


def test_metrics_count_requests(server, client):
    def count() -> float:
        lines = client.get("/metrics").text.splitlines()
        (line,) = (line for line in lines if line.startswith("cris_sentences_total"))
        return float(line.split()[1])

    before = count()
    server.segment(client, IMAGE, *SENTENCES)
    assert count() == before + len(SENTENCES)


def bomb() -> bytes:
    """A PNG of few bytes whose header says 60,000×60,000."""
    chunks = [
        (b"IHDR", struct.pack("!IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize(
    "image",
    [b"", b"hello", IMAGE[: len(IMAGE) // 2], IMAGE[:40], bomb(), b"%!PS-Adobe-3.0 EPSF-3.0\n"],
    ids=["empty", "text", "truncated", "header only", "bomb", "postscript"],
)
def test_what_is_no_whole_image_is_refused(server, client, image):
    problem(server.segment(client, image, "the red ring"), 422, "bad_picture")


def test_a_image_of_too_many_pixels_is_refused(server, client):
    detail = problem(server.segment(client, png(400, 501), "the red ring"), 422, "bad_picture")["detail"]
    assert f"at most {MAX_PIXELS:,} pixels, got 501×400" in detail


@pytest.mark.parametrize(
    ("sentences", "error"),
    [
        ([" "], "bad_sentence"),
        (["the red ring " * 40], "bad_sentence"),
        (["ring" * 500], "bad_sentence"),
        ([], "bad_request"),
        (["the red ring"] * 5, "bad_request"),
    ],
    ids=["blank", "too many tokens", "too many letters", "none", "too many"],
)
def test_sentences_beyond_the_limits_are_refused(client, sentences, error):
    asked = {"image": base64.b64encode(IMAGE).decode(), "sentences": sentences}
    problem(client.post("/v1/segment", json=asked), 422, error)


def test_one_bad_request_of_a_batch_costs_the_others_nothing(server, client):
    statuses: dict[str, int] = {}

    def ask(name: str, image: bytes, sentence: str) -> None:
        statuses[name] = server.segment(client, image, sentence).status_code

    asked = {
        **{f"good {number}": (png(seed=number), "the red ring") for number in range(3)},
        "bad image": (b"none", "the red ring"),
        "long sentence": (IMAGE, "the red ring " * 40),
    }
    threads = [threading.Thread(target=ask, args=(name, *what)) for name, what in asked.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {name: 200 if name.startswith("good") else 422 for name in asked}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b'{"sentences": ["a"]}', 422),
        (b'{"image": 1, "sentences": ["a"]}', 422),
        (b'{"image": "not base64", "sentences": ["a"]}', 422),
        (b'{"image": "", "sentences": []}', 422),
        (b'{"image": "", "sentences": ["a"], "sentence": ["b"]}', 422),
        (b'{"image": "", "sentences": ["a"], "threshold": 2}', 422),
        (b'{"image": "", "sentences": ["a"], "min_score": "x"}', 422),
        (b'{"image": "", "sentences": [1]}', 422),
        (b'{"image": "", "sentences": ["a"], "more": 1}', 422),
        (b'{"image": "", "sentences": ["a"], "include": ["all"]}', 422),
        (b"[" * 100_000, 400),
    ],
)
def test_malformed_json_is_refused(client, body, status):
    answer = client.post("/v1/segment", content=body, headers={"content-type": "application/json"})
    problem(answer, status, "bad_request")


@pytest.mark.parametrize(
    "parts",
    [
        {"data": {"image": "text", "sentence": "a"}, "files": {"nothing": b""}},
        {"data": {"sentence": "a"}, "files": {"picture": IMAGE}},
        {"files": {"image": IMAGE}},
        {"data": {"sentence": "a", "more": "b"}, "files": {"image": IMAGE}},
        {"data": {"sentence": "a", "include": "all"}, "files": {"image": IMAGE}},
        {"data": {"sentence": "a"}, "files": [("image", IMAGE), ("image", IMAGE)]},
        {"data": {"sentence": ["a"] * 50}, "files": {"image": IMAGE}},
        {"data": {"sentence": "a" * 50_000}, "files": {"image": IMAGE}},
        {"files": {"image": IMAGE, "sentence": b"a"}},
        {"data": {"sentence": "a", "threshold": "2"}, "files": {"image": IMAGE}},
        {"data": {"sentence": "a", "threshold": "nan"}, "files": {"image": IMAGE}},
        {"data": {"sentence": "a", "min_score": ["0", "1"]}, "files": {"image": IMAGE}},
    ],
)
def test_malformed_forms_are_refused(client, parts):
    answer = client.post("/v1/segment", **parts)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json().keys() == {"error", "detail", "hint"}


def test_other_content_is_refused(client):
    problem(
        client.post("/v1/segment", content=IMAGE, headers={"content-type": "image/png"}),
        415,
        "unsupported_media_type",
    )
    problem(client.post("/v1/segment", content=IMAGE), 415, "unsupported_media_type")


def test_an_unknown_model_is_named(server, client):
    answer = problem(server.segment(client, IMAGE, "a", model="gpt"), 404, "unknown_model")
    assert "'gpt'" in answer["detail"]
    assert server.segment(client, IMAGE, "a", model="cris-scenes").status_code == 200


def test_unknown_paths_and_methods_are_refused(client):
    problem(client.get("/v2/segment"), 404, "not_found")
    answer = client.get("/v1/segment")
    assert problem(answer, 405, "method_not_allowed")["detail"] == "expected POST, got GET"
    assert answer.headers["allow"] == "POST"
    problem(client.post("/v1/models"), 405, "method_not_allowed")


def test_threshold_and_least_score_are_the_request_s_own(server, client, segmenter):
    expected = segmenter.predict(IMAGE, SENTENCES[0]).at_threshold(0.9)
    as_json = {"image": base64.b64encode(IMAGE).decode(), "sentences": SENTENCES[:1]}
    for ask in (
        lambda **fields: server.segment(client, IMAGE, SENTENCES[0], **fields),
        lambda **fields: client.post("/v1/segment", json=as_json | fields),
    ):
        (result,) = ask(threshold=0.9).json()["results"]
        assert (decode_rle(result["rle"]) != expected.mask).mean() < 1e-3
        assert result["score"] == pytest.approx(expected.score, abs=1e-5)
        (result,) = ask(min_score=1.0).json()["results"]
        assert result["box"] is None
        assert 0 < result["score"] < 1


def test_either_name_of_the_sentences_is_taken_by_either_form(server, client):
    expected = server.segment(client, IMAGE, *SENTENCES).json()
    image = base64.b64encode(IMAGE).decode()
    assert client.post("/v1/segment", json={"image": image, "sentence": SENTENCES}).json() == expected
    form = client.post("/v1/segment", files={"image": IMAGE}, data={"sentences": SENTENCES})
    assert form.json() == expected
    alone = client.post("/v1/segment", json={"image": image, "sentence": SENTENCES[0]}).json()
    assert [result["sentence"] for result in alone["results"]] == SENTENCES[:1]


def test_a_request_is_known_by_its_id_in_the_answer_and_in_the_log(server, client):
    given = client.get("/v1/segment", headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    answer = server.segment(client, IMAGE, "a")
    own = answer.headers["x-request-id"]
    assert len(own) == 32
    odd = client.get("/healthz", headers={"x-request-id": "a b"}).headers["x-request-id"]
    assert odd != "a b"
    wait_for(lambda: {"mine-1", own} <= {entry.get("request_id") for entry in server.log()})


def test_a_large_body_is_refused_by_its_length(server):
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_without_a_length_is_refused_while_it_comes(server):
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        sent = 0
        while sent < 20 * MAX_BODY and not select.select([connection], [], [], 0.02)[0]:
            connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            sent += 0x10000
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 413
        assert json.loads(answer.read())["error"] == "body_too_large"
        assert sent < 20 * MAX_BODY


def test_other_origins_get_no_leave(server, client):
    origin = {"origin": "https://elsewhere.example"}
    answers = [
        client.get("/v1/models", headers=origin),
        client.options("/v1/segment", headers=origin | {"access-control-request-method": "POST"}),
        client.post("/v1/segment", headers=origin),
    ]
    assert not [answer for answer in answers if "access-control-allow-origin" in answer.headers]
    cross = client.post("/v1/segment", headers=origin | {"sec-fetch-site": "cross-site"})
    problem(cross, 403, "cross_site")


def test_a_client_that_leaves_costs_nothing_more(server, client):
    body = json.dumps({"image": base64.b64encode(IMAGE).decode(), "sentences": ["a"]}).encode()
    head = b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n"
    head += b"Content-Type: application/json\r\n\r\n"
    for part in (body, body[:100]):  # one asks and leaves, one leaves while it is asking
        with server.connect() as connection:
            connection.sendall(head % len(body) + part)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def gauges() -> list[float]:
        lines = client.get("/metrics").text.splitlines()
        names = ("cris_held_bytes ", "cris_waiting_requests ")
        return [float(line.split()[1]) for line in lines if line.startswith(names)]

    wait_for(lambda: gauges() == [0.0, 0.0])
    assert server.segment(client, IMAGE, "a").status_code == 200


def test_logs_are_json_and_show_neither_images_nor_sentences(server, client):
    server.segment(client, IMAGE, "a very private sentence")
    server.segment(client, b"private bytes", "a very private sentence")
    server.segment(client, IMAGE, "a very private sentence " * 20)
    requests = [entry for entry in server.log() if entry["event"] == "request"]
    assert requests[-1]["path"] == "/v1/segment"
    assert requests[-1]["status"] == 422
    assert "private" not in server.log_file.read_text()


def test_a_killed_worker_is_a_503_and_a_restart(server, client):
    first = server.worker()
    statuses = set()
    os.kill(first, signal.SIGKILL)
    while 200 not in statuses:
        answer = server.segment(client, IMAGE, "the red ring")
        statuses.add(answer.status_code)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            time.sleep(0.1)
    assert statuses <= {200, 503}
    assert server.worker() != first
    assert client.get("/healthz").status_code == 200


def test_a_stopped_worker_is_replaced_when_time_is_up():
    with served("--no-page", "--timeout", "3") as server, server.client() as client:
        first = server.worker()
        os.kill(first, signal.SIGSTOP)
        start = time.monotonic()
        answer = server.segment(client, IMAGE, "the red ring")
        assert time.monotonic() - start < 30
        assert answer.status_code == 503
        server.wait_until_ready(client)
        assert not is_alive(first)
        assert server.segment(client, IMAGE, "the red ring").status_code == 200


def test_sigterm_answers_what_is_under_way_and_ends_all_processes():
    with served("--no-page", "--batch-size", "1") as server, server.client() as client:
        worker = server.worker()
        os.kill(worker, signal.SIGSTOP)
        answers: list[int] = []

        def ask(seed: int) -> None:
            answers.append(server.segment(client, png(seed=seed), *SENTENCES).status_code)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        wait_for(lambda: "cris_waiting_requests 5.0" in client.get("/metrics").text)  # one is with the worker
        server.process.send_signal(signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        for thread in threads:
            thread.join()
        assert answers == [200] * 6
        assert server.process.wait(60) == 143
        assert not is_alive(worker)
        assert server.log()[-1]["event"] == "stopped"
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_full_line_is_a_429_and_a_server_killed_hard_leaves_no_worker():
    with served("--no-page", "--max-waiting", "1", "--batch-size", "1") as server, server.client() as client:
        os.kill(server.worker(), signal.SIGSTOP)
        answers: list[httpx.Response] = []
        threads: list[threading.Thread] = []
        while len(answers) < 3:
            ask = threading.Thread(target=lambda: answers.append(server.segment(client, IMAGE, "a")))
            threads.append(ask)
            ask.start()
            # one is with the worker, one waits, and all others are refused, whichever comes first
            wait_for(lambda: len(threads) - len(answers) <= 2)

        def one_waits() -> bool:
            lines = client.get("/metrics").text.splitlines()
            return "cris_waiting_requests 1.0" in lines and "cris_held_bytes 0.0" not in lines

        wait_for(one_waits)
        os.kill(server.worker(), signal.SIGCONT)
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
        assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 429)
        worker = server.worker()
        server.process.kill()
        server.process.wait()
        wait_for(lambda: not is_alive(worker))


def test_with_a_key_everything_but_health_wants_it(tmp_path: Path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    with served("--no-page", "--api-key-file", str(tmp_path / "key")) as server, server.client() as client:
        for headers in (
            {},
            {"authorization": "Bearer open"},
            {"authorization": "Basic !"},
            {"x-api-key": ""},
        ):
            for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
                answer = client.get(path, headers=headers)
                problem(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("Basic")
        assert client.get("/readyz").status_code == 200
        basic = base64.b64encode(f"anyone:{KEY}".encode()).decode()
        for headers in (
            {"authorization": f"Bearer {KEY}"},
            {"authorization": f"Basic {basic}"},
            {"x-api-key": KEY},
        ):
            assert client.get("/v1/models", headers=headers).status_code == 200
        document = client.get("/openapi.json", headers={"x-api-key": KEY}).json()
        schemes = document["components"]["securitySchemes"]
        assert {(each["type"], each.get("scheme"), each.get("name")) for each in schemes.values()} == {
            ("http", "bearer", None),
            ("http", "basic", None),
            ("apiKey", None, "X-API-Key"),
        }
        assert document["security"] == [{name: []} for name in schemes]
        assert document["paths"]["/readyz"]["get"]["security"] == []
        assert "security" not in document["paths"]["/v1/segment"]["post"]
        assert KEY not in server.log_file.read_text()
