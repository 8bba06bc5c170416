"""Requests and answers of `POST /v1/segment` and its neighbours; the OpenAPI document is made from it."""

from typing import Annotated, Any, get_args

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from cris.serving.messages import Extra


class SegmentRequest(BaseModel):
    """One image, and the sentences to find in it."""

    model_config = ConfigDict(extra="forbid")

    image: Annotated[
        str,
        Field(description="Image file in base64, or a data: URL", json_schema_extra={"format": "byte"}),
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
        str | None,
        Field(description="Model, by its name in /v1/models; by default the one served"),
    ] = None
    include: Annotated[
        list[Extra], Field(description="Further fields of each result, beside sentence, score, box and rle")
    ] = []
    threshold: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Probability above which a pixel is in the mask; by default the model's",
        ),
    ] = None
    min_score: Annotated[
        float,
        Field(ge=0, le=1, description="Score below which masks become empty; the score stays"),
    ] = 0.0


class Rle(BaseModel):
    """Mask in COCO's run-length encoding."""

    size: Annotated[list[int], Field(min_length=2, max_length=2, description="Height and width, in pixels")]
    counts: Annotated[str, Field(description="Run lengths by column, background first, in COCO's text")]


class Result(BaseModel):
    """Pixels that one sentence refers to."""

    sentence: str
    score: Annotated[float, Field(ge=0, le=1, description="Confidence in the mask; 0 when the mask is empty")]
    box: Annotated[
        list[int] | None,
        Field(
            description="Left, top, right, bottom in pixels, the last two excluded; null for an empty mask"
        ),
    ]
    rle: Rle
    present: Annotated[
        float | None,
        Field(ge=0, le=1, description="Probability that anything is meant; of models that tell it"),
    ] = None
    polygons: Annotated[
        list[list[int]] | None,
        Field(description="Outer polygons, [x, y, x, y …] in pixels; a part of one pixel is one point"),
    ] = None
    png: Annotated[str | None, Field(description="Mask as a PNG of 0 and 255, in base64")] = None
    cutout: Annotated[
        str | None, Field(description="Image as a PNG, transparent outside the mask, in base64")
    ] = None
    ambiguity: Annotated[
        float | None, Field(ge=0, le=1, description="Degree to which the sentence fits several things")
    ] = None


class Timings(BaseModel):
    """Time that each part took."""

    queue_ms: Annotated[float, Field(description="Milliseconds in the queue")]
    batch_ms: Annotated[float, Field(description="Milliseconds in the model, with the batch")]
    batch_requests: Annotated[int, Field(description="Requests in the batch, this one included")]
    is_cached: Annotated[bool, Field(description="True if the image was encoded before")]


class SegmentResponse(BaseModel):
    """Results, one for each sentence in order."""

    model: Annotated[str, Field(description="Name of the model, as /v1/models lists it")]
    width: Annotated[int, Field(description="Width of the image after EXIF rotation, in pixels")]
    height: Annotated[int, Field(description="Height of the image after EXIF rotation, in pixels")]
    results: list[Result]
    timings: Timings | None = None


class Model(BaseModel):
    """Model that is served."""

    name: str
    sentence_length: Annotated[int, Field(description="Most tokens of a sentence, start and end included")]
    input_size: Annotated[int, Field(description="Side of its square input, in pixels")]
    threshold: Annotated[float, Field(description="Probability above which a pixel belongs to the mask")]
    device: str


class ModelList(BaseModel):
    """All models that are served."""

    models: list[Model]


class Status(BaseModel):
    """State of the server, for load balancers."""

    status: str


class Problem(BaseModel):
    """Reason for which a request has no answer."""

    error: Annotated[str, Field(description="Error code for programs")]
    detail: Annotated[str, Field(description="Expected and actual value")]
    hint: Annotated[str, Field(description="Suggested remedy")]


def multipart_schema() -> dict[str, Any]:
    """Return the same request as a form, whose fields may be repeated."""
    text = {"type": "string"}
    extra = {"enum": list(get_args(Extra)), "type": "string"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "required": ["image", "sentence"],
        "properties": {
            "image": {"type": "string", "format": "binary", "description": "An image file"},
            "sentence": {"type": "array", "items": text, "minItems": 1, "description": "May be repeated"},
            "model": text,
            "include": {"type": "array", "items": extra, "description": "May be repeated"},
            "threshold": {**share, "description": "Of a pixel's probability; the model's own by default"},
            "min_score": {**share, "description": "Answers with a lower score find nothing"},
        },
        "additionalProperties": False,
    }
