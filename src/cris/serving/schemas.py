"""Requests and answers of `POST /v1/segment` and its neighbours; the OpenAPI document is made from it."""

from typing import Annotated, Any, get_args

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from cris.serving.messages import Extra


class SegmentRequest(BaseModel):
    """One image, and the sentences to find in it."""

    model_config = ConfigDict(extra="forbid")

    image: Annotated[
        str,
        Field(description="A picture file in base64, or a data: URL", json_schema_extra={"format": "byte"}),
    ]
    sentences: Annotated[
        list[str],
        BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
        Field(
            validation_alias=AliasChoices("sentences", "sentence"),  # as the form calls it
            min_length=1,
            description="Referring expressions",
            examples=[["the man in red"]],
        ),
    ]
    model: Annotated[
        str | None, Field(description="As /v1/models names it; by default the one that is served")
    ] = None
    include: Annotated[
        list[Extra], Field(description="What results hold beside sentence, score, box and rle")
    ] = []
    threshold: Annotated[
        float | None,
        Field(ge=0, le=1, description="A pixel is found when its probability is above this; the model's own"),
    ] = None
    min_score: Annotated[
        float, Field(ge=0, le=1, description="Answers with a lower score find nothing, and keep the score")
    ] = 0.0


class Rle(BaseModel):
    """Mask in COCO's run-length encoding."""

    size: Annotated[list[int], Field(min_length=2, max_length=2, description="Height and width, in pixels")]
    counts: Annotated[str, Field(description="Runs down the columns, unlit first, in COCO's compressed text")]


class Result(BaseModel):
    """Pixels that one sentence refers to."""

    sentence: str
    score: Annotated[float, Field(ge=0, le=1, description="How sure the model is; 0 when it finds nothing")]
    box: Annotated[
        list[int] | None,
        Field(
            description="Left, top, right, bottom in pixels, the last two excluded; null for an empty mask"
        ),
    ]
    rle: Rle
    polygons: Annotated[
        list[list[int]] | None,
        Field(description="Outer outlines, [x, y, x, y …] in pixels; a part of one pixel is one point"),
    ] = None
    png: Annotated[str | None, Field(description="The mask as a PNG of 0 and 255, in base64")] = None
    cutout: Annotated[
        str | None, Field(description="The picture as a PNG with the rest transparent, in base64")
    ] = None
    ambiguity: Annotated[
        float | None, Field(ge=0, le=1, description="How much the sentence fits several things")
    ] = None


class Timings(BaseModel):
    """Time that each part took."""

    queue_ms: Annotated[float, Field(description="In line for the model")]
    batch_ms: Annotated[float, Field(description="In the model, with what was asked together with it")]
    batch_requests: Annotated[int, Field(description="Requests asked together, this one included")]
    is_cached: Annotated[bool, Field(description="Whether the picture was encoded already")]


class SegmentResponse(BaseModel):
    """Results, one for each sentence in order."""

    model: Annotated[str, Field(description="As /v1/models names it")]
    width: Annotated[int, Field(description="Of the picture after its EXIF turn, in pixels, as the height")]
    height: int
    results: list[Result]
    timings: Timings | None = None


class Model(BaseModel):
    """Model that is served."""

    name: str
    sentence_length: Annotated[int, Field(description="Tokens a sentence, start and end included")]
    input_size: Annotated[int, Field(description="Side of its square input, in pixels")]
    threshold: Annotated[float, Field(description="A pixel is found when its probability is above this")]
    device: str


class ModelList(BaseModel):
    """All models that are served."""

    models: list[Model]


class Status(BaseModel):
    """State of the server, for load balancers."""

    status: str


class Problem(BaseModel):
    """Reason for which a request has no answer."""

    error: Annotated[str, Field(description="A name for programs")]
    detail: Annotated[str, Field(description="What was expected and what came")]
    hint: Annotated[str, Field(description="What to do")]


def multipart_schema() -> dict[str, Any]:
    """Return the same request as a form, whose fields may be repeated."""
    text = {"type": "string"}
    extra = {"enum": list(get_args(Extra)), "type": "string"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "required": ["image", "sentence"],
        "properties": {
            "image": {"type": "string", "format": "binary", "description": "A picture file"},
            "sentence": {"type": "array", "items": text, "minItems": 1, "description": "May be repeated"},
            "model": text,
            "include": {"type": "array", "items": extra, "description": "May be repeated"},
            "threshold": {**share, "description": "Of a pixel's probability; the model's own by default"},
            "min_score": {**share, "description": "Answers with a lower score find nothing"},
        },
        "additionalProperties": False,
    }
