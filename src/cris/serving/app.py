"""Application: routes of the HTTP interface, and the page."""

from http import HTTPStatus
from typing import Any

import starlette.exceptions
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware

from cris import __version__
from cris.serving.batcher import BatchedResult, Batcher, unavailable
from cris.serving.label_studio import LabelStudioBackend, add_label_studio
from cris.serving.limits import RefusalError
from cris.serving.messages import SegmentJob
from cris.serving.middleware import GONE, OPEN_PATHS, RequestMiddleware
from cris.serving.requests import read_ask, unless_gone
from cris.serving.schemas import (
    ModelList,
    Problem,
    SegmentRequest,
    SegmentResponse,
    Status,
    multipart_schema,
)

DESCRIPTION = """The pixels of an image that a sentence refers to.

Every answer other than 200 is a JSON object with `error` (a name for programs), `detail` (what was expected
and what came) and `hint` (what to do). 429 and 503 come with `Retry-After`, in seconds. Every answer has an
`X-Request-ID`, the request's own where it brought one, by which the log knows it."""

_SEGMENT_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": multipart_schema()},
        "application/json": {"schema": SegmentRequest.model_json_schema()},
    },
}
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_KEY_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as the password of any user"},
}
"""Security schemes by which a request can bring the key, any of them."""
_SEGMENT_PROBLEMS = (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503)


def create_app(
    batcher: Batcher, key: str | None = None, label_studio: LabelStudioBackend | None = None
) -> FastAPI:
    """Return the HTTP interface to a model, behind its guard; `add_page` puts the page beside it."""
    app = FastAPI(
        title="cris",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # its scripts would come from elsewhere
        redoc_url=None,
    )
    app.add_middleware(CORSMiddleware, allow_origins=())  # none; and Gradio adds none of its own
    app.add_middleware(RequestMiddleware, limits=batcher.limits, metrics=batcher.metrics, key=key)
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(starlette.exceptions.HTTPException, http_error)

    @app.post(
        "/v1/segment",
        response_model=SegmentResponse,
        responses=_problems(*_SEGMENT_PROBLEMS),
        openapi_extra={"requestBody": _SEGMENT_BODY},
    )
    async def segment(request: Request) -> Response:
        """Return what each sentence refers to in the image."""
        ask = await read_ask(request, batcher.limits, batcher.settings.model)
        answered = await unless_gone(request, batcher.ask(ask))
        if answered is None:
            return Response(status_code=GONE)
        return JSONResponse(_content(ask, answered, batcher.settings.model))

    @app.get("/v1/models", response_model=ModelList, responses=_problems(401, 503))
    async def models() -> JSONResponse:
        """Return the models that are served: one."""
        ready = batcher.ready
        if ready is None:
            raise unavailable("the model is being loaded again")
        model = {
            "name": batcher.settings.model,
            "sentence_length": ready.sentence_length,
            "input_size": ready.input_size,
            "threshold": ready.threshold,
            "device": ready.device,
        }
        return JSONResponse({"models": [model]})

    @app.get("/healthz", response_model=Status)
    async def healthz() -> JSONResponse:
        """Return whether the server lives; it may be without its model for a while."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", response_model=Status, responses=_problems(503))
    async def readyz() -> JSONResponse:
        """Return whether the model is there to answer."""
        if batcher.ready is None:
            raise unavailable("the model is being loaded again")
        return JSONResponse({"status": "ok"})

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_problems(401)},
    )
    async def metrics() -> Response:
        """Return counters, for Prometheus."""
        return Response(batcher.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    if label_studio is not None:
        add_label_studio(app, label_studio)
    _refuse_other_methods(app)
    if key is not None:
        _describe_key(app)
    return app


def _refuse_other_methods(app: FastAPI) -> None:
    """Answer other methods on our paths with 405, also where a page at / would take them for its own."""
    allowed: dict[str, set[str]] = {}
    for route in app.routes:
        if isinstance(route, APIRoute):
            allowed.setdefault(route.path, set()).update(route.methods or ())

    async def refuse(request: Request) -> Response:
        methods = ", ".join(sorted(allowed[request.url.path]))
        raise starlette.exceptions.HTTPException(
            405, f"expected {methods}, got {request.method}", headers={"Allow": methods}
        )

    for path, methods in allowed.items():
        others = [method for method in _METHODS if method not in methods]
        app.add_route(path, refuse, methods=others, include_in_schema=False)


def _describe_key(app: FastAPI) -> None:
    """Add to the OpenAPI document how to bring the key, so that clients made from it do."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        document["components"]["securitySchemes"] = _KEY_SCHEMES
        document["security"] = [{name: []} for name in _KEY_SCHEMES]
        for path in OPEN_PATHS:
            for operation in document["paths"][path].values():
                operation["security"] = []
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _content(ask: SegmentJob, answered: BatchedResult, model: str) -> dict[str, Any]:
    answer = answered.answer
    size = {"width": answer.width, "height": answer.height}
    content: dict[str, Any] = {"model": model, **size, "results": answer.results}
    if "timings" in ask.include:
        content["timings"] = {
            "queue_ms": round(1000 * answered.queue_seconds, 3),
            "batch_ms": round(1000 * answered.batch_seconds, 3),
            "batch_requests": answered.batch_requests,
            "is_cached": answer.is_cached,
        }
    return content


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in statuses}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    return JSONResponse(error.body, error.status, error.headers)


async def http_error(request: Request, error: Exception) -> Response:
    """Return Starlette's own refusals, and Gradio's, in the form of ours."""
    assert isinstance(error, starlette.exceptions.HTTPException)
    hint = "GET /openapi.json describes what there is"
    name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return JSONResponse(
        {"error": name, "detail": str(error.detail), "hint": hint}, error.status_code, error.headers
    )
