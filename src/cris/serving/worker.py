"""The process that has the model: a crash here, by a picture or by want of memory, leaves the server up."""

import base64
import io
import json
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import IO, Any

import cv2
import numpy as np
from jaxtyping import Bool
from PIL import Image

from cris.engines.engine import EngineName, Precision
from cris.picture import FORMATS, read_picture
from cris.prediction import Prediction
from cris.segmenter import EncodedPicture, Segmenter
from cris.serving.messages import (
    HEADER,
    Answer,
    Ask,
    Drawing,
    Failed,
    Ready,
    Refusal,
    Reply,
    packed,
    unpacked,
)

PREVIEW_SIDE = 1600
"""Longest side of a picture as the page shows it, in pixels."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What a worker is started with."""

    model: str
    """Registered name or checkpoint folder."""
    device: str = "auto"
    engine: EngineName | None = None
    precision: Precision | None = None
    """Both as `Segmenter.from_pretrained` takes them."""
    batch_size: int = 8
    """Sentences, and pictures, that go through the model at a time."""
    cache_bytes: int = 2**28
    """Of the pictures' features to keep; the least recently asked go first."""
    pixels: int = 40_000_000
    """The most that a picture may have."""


class FeatureCache:
    """Encoded pictures by the digest of their bytes, as many as fit."""

    def __init__(self, limit: int) -> None:
        """Of at most `limit` bytes."""
        self.limit = limit
        self.nbytes = 0
        self._kept: OrderedDict[bytes, EncodedPicture] = OrderedDict()

    def get(self, digest: bytes) -> EncodedPicture | None:
        """The picture, if it is there; it is then the last to go."""
        if digest in self._kept:
            self._kept.move_to_end(digest)
        return self._kept.get(digest)

    def put(self, digest: bytes, picture: EncodedPicture) -> None:
        """Keeps it, unless it is larger than the whole cache."""
        if picture.nbytes > self.limit or digest in self._kept:
            return
        self._kept[digest] = picture
        self.nbytes += picture.nbytes
        while self.nbytes > self.limit:
            _, oldest = self._kept.popitem(last=False)
            self.nbytes -= oldest.nbytes


class Answerer:
    """Answers the requests of a batch together, each as if it had come alone."""

    def __init__(self, segmenter: Segmenter, cache: FeatureCache, pixels: int) -> None:
        """Pictures of more than `pixels` are refused."""
        self.segmenter = segmenter
        self.cache = cache
        self.pixels = pixels
        self._readers = ThreadPoolExecutor(thread_name_prefix="reader")

    def reply(self, asks: Sequence[Ask]) -> Reply:
        """An answer, or the reason for none, to each."""
        start = time.perf_counter()
        answers = self._answers(asks)
        return Reply(answers=answers, seconds=time.perf_counter() - start, cache_bytes=self.cache.nbytes)

    def _answers(self, asks: Sequence[Ask]) -> list[Answer | Refusal]:
        kept = {ask.digest: self.cache.get(ask.digest) for ask in asks}
        new = {ask.digest: ask.picture for ask in asks if kept[ask.digest] is None}
        read = dict(zip(new, self._readers.map(self._read, new.values()), strict=True))
        answers: dict[int, Answer | Refusal] = {}
        asked: dict[int, tuple[Ask, EncodedPicture | np.ndarray]] = {}
        for place, ask in enumerate(asks):
            picture = kept[ask.digest] or read[ask.digest]
            if isinstance(picture, Refusal):
                answers[place] = picture
            else:
                asked[place] = ask, picture
        found = self._predict(list(asked.values()))
        for (place, (ask, _)), predictions in zip(asked.items(), found, strict=True):
            if isinstance(predictions, Refusal):
                answers[place] = predictions
            else:
                answers[place] = _answer(ask, predictions, is_cached=ask.digest not in new)
        return [answers[place] for place in range(len(asks))]

    def _read(self, content: bytes) -> np.ndarray | Refusal:
        """The picture's pixels; its size is read first, so that a bomb is never unpacked."""
        try:
            try:
                with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                    width, height = image.size
            except Exception:
                return read_picture(content)  # which says what is wrong with it
            if width * height > self.pixels:
                raise ValueError(
                    f"expected a picture of at most {self.pixels:,} pixels, got {width}×{height}: shrink it"
                )
            return read_picture(content)
        except ValueError as error:
            return Refusal(kind="picture", detail=str(error))
        except MemoryError:
            return Refusal(kind="memory", detail="no memory to read the picture")

    def _predict(
        self, asked: Sequence[tuple[Ask, EncodedPicture | np.ndarray]]
    ) -> Sequence[list[Prediction] | Refusal]:
        """The predictions of each; where one spoils the batch, each is asked alone."""
        try:
            encoded = self._encoded(asked)
            return self.segmenter.predict_batch(encoded, [ask.sentences for ask, _ in asked])
        except (ValueError, MemoryError) as error:
            if len(asked) > 1:
                return [one for each in asked for one in self._predict([each])]
            is_memory = isinstance(error, MemoryError)
            return [Refusal(kind="memory" if is_memory else "sentence", detail=str(error))]

    def _encoded(self, asked: Sequence[tuple[Ask, EncodedPicture | np.ndarray]]) -> list[EncodedPicture]:
        """Each picture encoded once, though several may ask of it; new ones are kept."""
        pictures = {ask.digest: picture for ask, picture in asked}
        encoded = dict(zip(pictures, self.segmenter.encode_batch(list(pictures.values())), strict=True))
        for digest, picture in encoded.items():
            self.cache.put(digest, picture)
        return [encoded[ask.digest] for ask, _ in asked]


def _answer(ask: Ask, predictions: list[Prediction], *, is_cached: bool) -> Answer:
    height, width = predictions[0].picture.shape[:2]
    return Answer(
        width=width,
        height=height,
        results=[_result(prediction, ask.include) for prediction in predictions],
        is_cached=is_cached,
        drawing=_drawing(predictions) if ask.is_for_drawing else None,
    )


def _drawing(predictions: list[Prediction]) -> Drawing:
    picture = predictions[0].picture
    height, width = picture.shape[:2]
    scale = min(1.0, PREVIEW_SIDE / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return Drawing(
        preview=picture if scale == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA),
        grids=[prediction.grid for prediction in predictions],
        letterbox=predictions[0].letterbox,
    )


def _result(prediction: Prediction, include: frozenset[str]) -> dict[str, Any]:
    result = prediction.to_dict()
    if "polygons" in include:
        result["polygons"] = [outline.ravel().tolist() for outline in prediction.polygons()]
    if "png" in include:
        result["png"] = base64.b64encode(_png(prediction.mask)).decode("ascii")
    if "ambiguity" in include:
        result["ambiguity"] = prediction.ambiguity
    return result


def _png(mask: Bool[np.ndarray, "height width"]) -> bytes:
    """255 where the sentence means the pixel, 0 elsewhere."""
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(buffer, format="PNG")
    return buffer.getvalue()


def run(settings: WorkerSettings, asks: IO[bytes], replies: IO[bytes]) -> int:
    """Loads the model, then answers until `asks` ends; the exit code."""

    def say(message: object) -> None:
        replies.write(packed(message))
        replies.flush()

    try:
        segmenter = Segmenter.from_pretrained(
            settings.model,
            settings.device,
            engine=settings.engine,
            precision=settings.precision,
            batch_size=settings.batch_size,
            is_strict=True,
        )
        segmenter.predict(np.zeros((32, 32, 3), dtype=np.uint8), "warm")  # ready means warm
    except (ValueError, MemoryError, OSError, ModuleNotFoundError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        say(Failed(detail=str(error), missing=missing))
        return 1
    inference = segmenter.inference
    say(
        Ready(
            sentence_length=inference.sentence_length,
            input_size=inference.input_size,
            threshold=inference.threshold,
            device=segmenter.device,
        )
    )
    answerer = Answerer(segmenter, FeatureCache(settings.cache_bytes), settings.pixels)
    while header := asks.read(HEADER.size):
        (length,) = HEADER.unpack(header)
        say(answerer.reply(unpacked(asks.read(length))))
    return 0


def command(settings: WorkerSettings) -> list[str]:
    """What starts a worker; `-P` keeps a folder named cris, where the server was started, from being it."""
    return [sys.executable, "-P", "-m", "cris.serving.worker", json.dumps(asdict(settings))]


def _main() -> None:
    # the server says when to stop, by closing the pipe: Ctrl-C and systemd signal the whole group, while
    # requests are still to be answered
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # so that a library's print does not get among them
    sys.exit(run(WorkerSettings(**json.loads(sys.argv[1])), sys.stdin.buffer, replies))


if __name__ == "__main__":
    _main()
