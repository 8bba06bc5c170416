"""Parser of a request's body, JSON or form, to what the worker is asked."""

import asyncio
import base64
import binascii
import hashlib
import math
from collections.abc import Coroutine
from typing import Any, TypeVar, get_args

import pydantic
from starlette.datastructures import UploadFile
from starlette.requests import Request

from cris.serving.limits import Limits, RefusalError
from cris.serving.messages import Extra, SegmentJob
from cris.serving.schemas import SegmentRequest

Answer = TypeVar("Answer")
_FORM_FIELDS = ("image", "sentence", "sentences", "model", "include", "threshold", "min_score")
_STANDARD_ALPHABET = str.maketrans("-_", "+/")
"""Translation from the URL-safe base64 alphabet to the standard one."""
_SMALL_FIELDS = 3 + len(get_args(Extra))  # beside the sentences


async def read_ask(request: Request, limits: Limits, model: str) -> SegmentJob:
    """Return what is asked of the model; raise RefusalError for what cannot be asked."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    match kind:
        case "application/json":
            body = await request.body()
            # beside the event loop, as megabytes of base64 take their time
            return await asyncio.to_thread(_from_json, body, limits, model)
        case "multipart/form-data":
            return await _from_form(request, limits, model)
    raise RefusalError(
        415,
        "unsupported_media_type",
        f"expected multipart/form-data or application/json, got {kind[:100] or 'no content type'}",
        "send the fields image and sentence as a form, or {'image': base64, 'sentences': […]} as JSON",
    )


def make_ask(
    image: bytes,
    sentences: list[str],
    include: frozenset[Extra],
    limits: Limits,
    *,
    threshold: float | None = None,
    min_score: float = 0.0,
    is_for_drawing: bool = False,
) -> SegmentJob:
    """Return the request, checked against the limits; raise RefusalError."""
    if len(sentences) > limits.sentences:
        raise bad_request(
            f"expected at most {limits.sentences} sentences, got {len(sentences)}", "ask for them in turns"
        )
    for sentence in sentences:
        if not sentence.strip():
            raise RefusalError(
                422,
                "bad_sentence",
                "expected words, got a blank sentence",
                "send what to find: 'the man in red'",
            )
        if len(sentence) > limits.sentence_characters:
            raise RefusalError(
                422,
                "bad_sentence",
                f"expected at most {limits.sentence_characters} characters a sentence, got {len(sentence)}",
                "send short sentences such as 'the man in red'",
            )
    return SegmentJob(
        image=image,
        digest=hashlib.sha256(image).digest(),
        sentences=sentences,
        include=include,
        threshold=threshold,
        min_score=min_score,
        is_for_drawing=is_for_drawing,
    )


def bad_request(detail: str, hint: str, *, is_syntax: bool = False) -> RefusalError:
    """Return the refusal of a request that cannot be read (400), or whose field is wrong (422)."""
    return RefusalError(400 if is_syntax else 422, "bad_request", detail, hint)


def not_as_described(error: pydantic.ValidationError) -> RefusalError:
    """Return the refusal of a JSON body that is not as the OpenAPI document has it."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    detail = f"{where}: {first['msg']}" if where else first["msg"]
    return bad_request(detail, "GET /openapi.json describes the request", is_syntax=not where)


def decode_base64(text: str) -> bytes:
    """Decode base64 as anything writes it: in lines, URL-safe, without padding, or in a data: URL.

    Raises:
        ValueError: it is something else.
    """
    head, separator, content = text.partition(";base64,")
    if separator and head.startswith("data:"):
        text = content
    compact = "".join(text.split()).translate(_STANDARD_ALPHABET).rstrip("=")
    return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)


async def unless_gone(request: Request, asked: Coroutine[Any, Any, Answer]) -> Answer | None:
    """Return the answer; None, computing nothing more, when the client leaves before it is there."""
    answer = asyncio.ensure_future(asked)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        answer.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _from_json(body: bytes, limits: Limits, model: str) -> SegmentJob:
    try:
        asked = SegmentRequest.model_validate_json(body)
    except pydantic.ValidationError as error:
        raise not_as_described(error) from None
    try:
        image = decode_base64(asked.image)
    except (binascii.Error, ValueError):
        raise bad_request(
            "image: expected base64, or a data: URL in base64, got something else", "encode the file's bytes"
        ) from None
    _check_model(asked.model, model)
    return make_ask(
        image,
        asked.sentences,
        frozenset(asked.include),
        limits,
        threshold=asked.threshold,
        min_score=asked.min_score,
    )


async def _from_form(request: Request, limits: Limits, model: str) -> SegmentJob:
    async with request.form(
        max_files=1,
        max_fields=limits.sentences + _SMALL_FIELDS,
        max_part_size=4 * limits.sentence_characters + 1,  # bytes of UTF-8; a file may be larger
    ) as form:
        for name in form:
            if name not in _FORM_FIELDS:
                raise bad_request(
                    f"there is no field {name[:100]!r}", f"the fields are {', '.join(_FORM_FIELDS)}"
                )
        image = form.get("image")
        if not isinstance(image, UploadFile):
            got = "nothing" if image is None else "text"
            raise bad_request(f"image: expected a file, got {got}", "send the image as a file")
        words = {name: form.getlist(name) for name in _FORM_FIELDS[1:]}
        if any(isinstance(value, UploadFile) for values in words.values() for value in values):
            raise bad_request("expected text, got a file", "send only the image as a file")
        texts = {name: [str(value) for value in values] for name, values in words.items()}
        sentences = [*texts["sentence"], *texts["sentences"]]  # JSON calls them so
        if not sentences:
            raise bad_request("sentence: expected at least one, got none", "repeat the field for more")
        unknown = sorted(set(texts["include"]) - set(get_args(Extra)))
        if unknown:
            raise bad_request(
                f"include: there is no {unknown[0][:100]!r}", f"there are {', '.join(get_args(Extra))}"
            )
        for name in texts["model"]:
            _check_model(name, model)
        threshold, min_score = (_share(name, texts[name]) for name in ("threshold", "min_score"))
        content = await image.read()
    return make_ask(
        content,
        sentences,
        frozenset(texts["include"]),  # type: ignore[arg-type]
        limits,
        threshold=threshold,
        min_score=min_score or 0.0,
    )


def _share(name: str, texts: list[str]) -> float | None:
    """Return a number from 0 to 1 that a form gives once, if at all."""
    if not texts:
        return None
    try:
        value = float(texts[0])
    except ValueError:
        value = math.nan
    if len(texts) > 1 or not 0 <= value <= 1:
        raise bad_request(
            f"{name}: expected one number from 0 to 1, got {', '.join(texts)[:100]}", "send it once"
        )
    return value


def _check_model(asked: str | None, served: str) -> None:
    if asked is not None and asked != served:
        raise RefusalError(
            404,
            "unknown_model",
            f"there is no model {asked[:100]!r} here",
            f"leave it out, or ask for {served!r}; GET /v1/models lists what is served",
        )
