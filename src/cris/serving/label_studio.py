"""Label Studio's ML backend: tasks and a labelling configuration in, regions with masks out."""

import asyncio
import base64
import binascii
import json
import logging
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, TypeVar

import pydantic
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, OnErrorOmit
from typing_extensions import TypedDict  # typing's, as soon as Python is 3.12

from cris.conversions import label_studio_regions
from cris.errors import InputError
from cris.masks import decode_rle
from cris.serving.batcher import Batcher
from cris.serving.image_fetch import ImageHost, fetch_image, post_json
from cris.serving.label_config import LONGEST_CONFIG, MaskControl, read_label_config
from cris.serving.limits import Limits, RefusalError
from cris.serving.logs import log
from cris.serving.middleware import GONE, LABEL_STUDIO_ROUTES
from cris.serving.requests import bad_request, decode_base64, make_ask, not_as_described, unless_gone

_TASKS_AT_ONCE = 4
"""Tasks, of all requests, whose images are held at a time."""
_MOST_TASKS = 1000
"""Tasks in one request."""
_MOST_PROJECTS = 100
Asked = TypeVar("Asked", bound=BaseModel)
_UPLOADS = ("upload/", "/upload/")
"""Beginnings of uploads' paths in exports, where /data is left out."""


class SetupRequest(BaseModel):
    """Project that is connected, as Label Studio tells of it."""

    project: Annotated[str | int | None, Field(description="Project's number and time")] = None
    label_config: Annotated[
        str | None,
        Field(alias="schema", max_length=LONGEST_CONFIG, description="Labelling configuration"),
    ] = None
    hostname: Annotated[str | None, Field(max_length=2000, description="Address of Label Studio")] = None
    access_token: Annotated[
        str | None,
        Field(pattern=r"^[!-~]*$", max_length=10_000, description="Key to the images that it keeps"),
    ] = None


class RegionValue(TypedDict, total=False):
    """Content of a region, of which typed text alone is read."""

    text: OnErrorOmit[str | list[OnErrorOmit[str]]]


class Region(BaseModel):
    """Region, or typed text, of an annotation."""

    type: str | None = None
    from_name: str | None = None
    value: RegionValue | None = None


class LabelingAnnotation(BaseModel):
    """Draft of an annotation, or what an annotator has just done."""

    result: list[Region] | None = None


class Parameters(BaseModel):
    """Parameters of a prediction."""

    context: LabelingAnnotation | None = None


class LabelingTask(BaseModel):
    """Task of a project."""

    # the rest is not made into objects, which would be held until the answer: forty times its bytes
    data: dict[str, OnErrorOmit[str]]
    """Fields that are text, the address of the image among them."""
    drafts: list[LabelingAnnotation] | None = None


class PredictRequest(BaseModel):
    """Tasks that Label Studio asks predictions for."""

    tasks: Annotated[list[LabelingTask], Field(max_length=_MOST_TASKS)]
    project: str | int | None = None
    label_config: str | None = None
    params: Parameters | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelStudioSettings:
    """Settings of the backend."""

    image_hosts: tuple[ImageHost, ...] = ()
    """Hosts that images may be fetched from."""
    url: str | None = None
    """Address of Label Studio, in place of what it says itself; its host counts as named."""
    key: str | None = None
    """Key to Label Studio's images at `url`."""
    model_version: str = "cris"
    """Version that predictions have: Label Studio asks for new ones when it changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Project:
    url: str | None = None
    key: str | None = None
    label_config: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """Question about the images of one field, the same for all tasks of a request."""

    image_field: str
    controls: Sequence[MaskControl]
    names: frozenset[str]
    """Names of the text areas about these images."""
    typed: list[str]
    """Sentences that the annotator has just typed there."""


@dataclass(slots=True)
class LabelStudioBackend:
    """Answers to Label Studio; every mask comes through the same line as `/v1/segment`."""

    batcher: Batcher
    settings: LabelStudioSettings
    _projects: OrderedDict[str, _Project] = field(default_factory=OrderedDict)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_TASKS_AT_ONCE))

    def set_up(self, asked: SetupRequest) -> None:
        """Remember where a project's images are; the latest hundred projects are known."""
        settings = self.settings
        name = _name(asked.project)
        self._projects.pop(name, None)
        self._projects[name] = _Project(
            url=settings.url or asked.hostname or None,
            # ours goes to no host but ours
            key=settings.key if settings.key and settings.url else asked.access_token,
            label_config=asked.label_config,
        )
        while len(self._projects) > _MOST_PROJECTS:
            self._projects.popitem(last=False)

    async def predict(self, asked: PredictRequest) -> list[dict[str, Any]]:
        """Return a prediction for each task; where one of several is impossible, the reason in its place.

        Raises RefusalError: all are impossible.
        """
        project = self._projects.get(
            _name(asked.project), _Project(url=self.settings.url, key=self.settings.key)
        )
        try:
            controls = read_label_config(asked.label_config or project.label_config or "")
        except InputError as error:
            raise RefusalError(
                422, "bad_label_config", str(error), "docs/label-studio.md has one to start from"
            ) from None
        context = asked.params.context if asked.params else None
        questions = [
            self._question(
                image_field, [each for each in controls if each.image_field == image_field], context
            )
            for image_field in dict.fromkeys(each.image_field for each in controls)
        ]
        # a request's tasks beyond these wait for one another, and not in the line with other requests
        turns = asyncio.Semaphore(_TASKS_AT_ONCE)
        found = await asyncio.gather(
            *(self._predict_or_refuse(task, questions, project, turns) for task in asked.tasks)
        )
        refusals = [each for each in found if isinstance(each, RefusalError)]
        for (reason, hint), tasks in Counter(
            (each.body["detail"], each.body["hint"]) for each in refusals
        ).items():
            # Label Studio shows the status alone
            log("no prediction", logging.WARNING, reason=reason, hint=hint, tasks=tasks)
        if refusals and len(refusals) == len(found):
            raise refusals[0]
        return [each.body if isinstance(each, RefusalError) else each for each in found]

    def _question(
        self, image_field: str, controls: Sequence[MaskControl], context: LabelingAnnotation | None
    ) -> _Question:
        names = frozenset().union(*(control.prompts for control in controls))
        # once for all tasks, as either may be long
        typed = _typed(context, names, self.batcher.limits)
        return _Question(image_field=image_field, controls=controls, names=names, typed=typed)

    async def _predict_or_refuse(
        self, task: LabelingTask, questions: Sequence[_Question], project: _Project, turns: asyncio.Semaphore
    ) -> dict[str, Any] | RefusalError:
        async with turns, self._places:
            try:
                return await self._predict(task, questions, project)
            except RefusalError as refusal:
                return refusal

    async def _predict(
        self, task: LabelingTask, questions: Sequence[_Question], project: _Project
    ) -> dict[str, Any]:
        regions: list[dict[str, Any]] = []
        for question in questions:
            image_field = question.image_field
            asked = _asked(question, task.drafts or [], self.batcher.limits)
            address = task.data.get(image_field)
            image = await self._image(address, image_field, project)
            for start in range(0, len(asked), self.batcher.limits.sentences):
                part = asked[start : start + self.batcher.limits.sentences]
                job = make_ask(image, [sentence for sentence, _, _ in part], frozenset(), self.batcher.limits)
                answered = await self.batcher.ask(job)
                # beside the event loop, as large masks take their time
                regions += await asyncio.to_thread(_regions, part, answered.answer.results, str(address))
        return {
            "result": regions,
            "score": min((region["score"] for region in regions), default=0.0),
            "model_version": self.settings.model_version,
        }

    async def _image(self, address: str | None, image_field: str, project: _Project) -> bytes:
        """Return the image that a task names: at an address, within Label Studio, or in the task itself."""
        if not address:
            raise bad_request(
                f"data.{image_field[:100]}: expected the address of an image, found no text",
                "see which field the label config's <Image> names",
            )
        if address.startswith("data:"):
            try:
                return await asyncio.to_thread(decode_base64, address)
            except (binascii.Error, ValueError):
                raise bad_request(
                    f"data.{image_field[:100]}: expected a data: URL in base64, got something else",
                    "encode the file's bytes",
                ) from None
        limits, hosts = self.batcher.limits, self.settings.image_hosts
        if address.startswith(_UPLOADS):
            address = f"/data/{address.lstrip('/')}"
        is_within = address.startswith("/") and not address.startswith("//")
        if is_within and not project.url:
            raise bad_request(
                "expected to know where Label Studio is, as the image is within it",
                "set LABEL_STUDIO_URL, or connect the backend again",
            )
        origin = project.url or ""
        if is_within:
            address = origin.rstrip("/") + address
        is_theirs = bool(origin) and address.startswith(f"{origin.rstrip('/')}/")
        headers = await self._authorization(project) if is_theirs and project.key else {}
        return await fetch_image(address, hosts, limits, origin=origin if headers else "", headers=headers)

    async def _authorization(self, project: _Project) -> Mapping[str, str]:
        """Return the header with the key; a personal access token is exchanged for one first."""
        assert project.key is not None
        assert project.url is not None
        kind = _kind_of_token(project.key)
        if kind is None:
            return {"Authorization": f"Token {project.key}"}
        if kind != "refresh":
            return {"Authorization": f"Bearer {project.key}"}
        content = await post_json(
            f"{project.url.rstrip('/')}/api/token/refresh/",
            json.dumps({"refresh": project.key}).encode(),
            self.settings.image_hosts,
            self.batcher.limits,
        )
        try:
            return {"Authorization": f"Bearer {_Access.model_validate_json(content).access}"}
        except pydantic.ValidationError:
            raise bad_request("Label Studio gave no key for its token", "make a new token there") from None


class _Access(BaseModel):
    access: Annotated[str, Field(pattern=r"^[!-~]+$")]


def add_label_studio(app: FastAPI, backend: LabelStudioBackend) -> None:
    """Add the routes of an ML backend."""
    version = backend.settings.model_version

    @app.get("/health")
    async def health() -> JSONResponse:
        """Return whether the server lives, as Label Studio asks for it."""
        return JSONResponse({"status": "UP", "model_class": "cris", "model_version": version})

    @app.post("/setup", openapi_extra=_body(SetupRequest))
    async def setup(request: Request) -> JSONResponse:
        """Take note of a project of Label Studio."""
        backend.set_up(await _read(request, SetupRequest))
        return JSONResponse({"model_version": version})

    @app.post("/predict", openapi_extra=_body(PredictRequest))
    async def predict(request: Request) -> Response:
        """Return regions for tasks of Label Studio."""
        found = await unless_gone(request, backend.predict(await _read(request, PredictRequest)))
        return Response(status_code=GONE) if found is None else JSONResponse({"results": found})

    @app.get("/versions")
    async def versions() -> JSONResponse:
        """Return the versions of the model: one."""
        return JSONResponse({"versions": [version]})

    for path in sorted(set(LABEL_STUDIO_ROUTES) - {"/health", "/setup", "/predict", "/versions"}):
        app.post(path, name=path[1:])(_nothing_to_do)


async def _nothing_to_do() -> JSONResponse:
    """Answer what Label Studio tells and we need not know: that annotations came, that a project went."""
    return JSONResponse({"status": "ok"})


async def _read(request: Request, kind: type[Asked]) -> Asked:
    body = await request.body()
    try:
        return await asyncio.to_thread(kind.model_validate_json, body)
    except pydantic.ValidationError as error:
        raise not_as_described(error) from None


def _body(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _name(project: object) -> str:
    return str(project)[:200]


def _asked(
    question: _Question, drafts: Sequence[LabelingAnnotation], limits: Limits
) -> list[tuple[str, MaskControl, str]]:
    """Return sentences, each with the control and the label of its regions.

    What an annotator typed comes first, from the newest annotation that has text; the labels' names stand in.
    A typed sentence gets the label that it names, else the first. Raises RefusalError for too many.
    """
    controls = question.controls
    earlier = (_typed(draft, question.names, limits) for draft in reversed(drafts))
    typed = question.typed or next(filter(None, earlier), [])
    if not typed:
        return [(shown, control, stored) for control in controls for shown, stored in control.labels.items()]
    if len(typed) > limits.sentences:
        raise bad_request(
            f"expected at most {limits.sentences} typed sentences, got more",
            "take some away, or start the server with a larger --max-sentences",
        )
    asked = []
    for sentence in typed:
        words = sentence[: limits.sentence_characters]  # longer ones are refused
        named = [(control, label) for control in controls if (label := control.label_for(words))]
        control, label = named[0] if named else (controls[0], next(iter(controls[0].labels.values())))
        asked.append((sentence, control, label))
    return asked


def _typed(annotation: LabelingAnnotation | None, names: frozenset[str], limits: Limits) -> list[str]:
    """Return the sentences in these text areas; one more than the limit stands for all further ones."""
    regions = (annotation.result if annotation else None) or []
    return list(islice(_lines(regions, names), limits.sentences + 1))


def _lines(regions: Sequence[Region], names: frozenset[str]) -> Iterator[str]:
    for region in regions:
        if (region.type or "").lower() == "textarea" and region.from_name in names:
            text = (region.value or {}).get("text", [])
            yield from filter(str.strip, [text] if isinstance(text, str) else text)


def _regions(
    asked: Sequence[tuple[str, MaskControl, str]], results: Sequence[Mapping[str, Any]], address: str
) -> list[dict[str, Any]]:
    return [
        region
        for (sentence, control, label), result in zip(asked, results, strict=True)
        if result["box"] is not None
        for region in label_studio_regions(
            decode_rle(result["rle"]),
            label,
            score=result["score"],
            key=[address, sentence, control.name],
            kind=control.kind,
            from_name=control.name,
            to_name=control.to_name,
        )
    ]


def _kind_of_token(key: str) -> str | None:
    """Return what a JSON web token is for, unverified; None of another kind of key."""
    _, _, rest = key.partition(".")
    payload = rest.partition(".")[0]
    try:
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return str(content.get("token_type")) if isinstance(content, dict) else None
