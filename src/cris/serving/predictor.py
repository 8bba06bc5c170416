"""Answers to requests that came together, computed together, each as if it had come alone."""

import base64
import time
import traceback
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import cv2
import numpy as np

from cris.conversions import to_png
from cris.errors import InputError
from cris.image import read_image
from cris.prediction import Prediction
from cris.segmenter import EncodedImage, Segmenter
from cris.serving.messages import Drawing, JobError, Reply, SegmentJob, SegmentResult

PREVIEW_SIDE = 1600
"""Longest side of an image as the page shows it, in pixels."""


class FeatureCache:
    """Encoded images by the digest of their bytes, as many as fit."""

    def __init__(self, limit: int) -> None:
        """Start an empty cache of at most `limit` bytes."""
        self.limit = limit
        self.nbytes = 0
        self._kept: OrderedDict[bytes, EncodedImage] = OrderedDict()

    def get(self, digest: bytes) -> EncodedImage | None:
        """Return the image, if it is there; it is then the last to go."""
        if digest in self._kept:
            self._kept.move_to_end(digest)
        return self._kept.get(digest)

    def put(self, digest: bytes, image: EncodedImage) -> None:
        """Keep the image, unless it is larger than the whole cache."""
        if image.nbytes > self.limit or digest in self._kept:
            return
        self._kept[digest] = image
        self.nbytes += image.nbytes
        while self.nbytes > self.limit:
            _, oldest = self._kept.popitem(last=False)
            self.nbytes -= oldest.nbytes


class Answerer:
    """Model that answers the requests of a batch together, each as if it had come alone."""

    def __init__(self, segmenter: Segmenter, cache: FeatureCache, pixels: int) -> None:
        """Refuse images of more than `pixels`."""
        self.segmenter = segmenter
        self.cache = cache
        self.pixels = pixels
        self._readers = ThreadPoolExecutor(thread_name_prefix="reader")

    def reply(self, asks: Sequence[SegmentJob]) -> Reply:
        """Return an answer, or the reason for none, to each."""
        start = time.perf_counter()
        answers = self._answers(asks)
        return Reply(answers=answers, seconds=time.perf_counter() - start, cache_bytes=self.cache.nbytes)

    def _answers(self, asks: Sequence[SegmentJob]) -> list[SegmentResult | JobError]:
        kept = {ask.digest: self.cache.get(ask.digest) for ask in asks}
        new = {ask.digest: ask.image for ask in asks if kept[ask.digest] is None}
        read = dict(zip(new, self._readers.map(self._read, new.values()), strict=True))
        answers: dict[int, SegmentResult | JobError] = {}
        asked: dict[int, tuple[SegmentJob, EncodedImage | np.ndarray]] = {}
        for place, ask in enumerate(asks):
            image = kept[ask.digest] or read[ask.digest]
            if isinstance(image, JobError):
                answers[place] = image
            else:
                asked[place] = ask, image
        found = self._predict(list(asked.values()))
        for (place, (ask, image)), predictions in zip(asked.items(), found, strict=True):
            if isinstance(predictions, JobError):
                answers[place] = predictions
                continue
            try:
                answers[place] = _answer(ask, image, predictions, is_cached=ask.digest not in new)
            except Exception as error:
                answers[place] = _refusal(error, "sentence")
        return [answers[place] for place in range(len(asks))]

    def _read(self, content: bytes) -> np.ndarray | JobError:
        """Return the image's pixels; its size is read first, so that a bomb is never unpacked."""
        try:
            return read_image(content, max_pixels=self.pixels)
        except Exception as error:
            return _refusal(error, "picture")

    def _predict(
        self, asked: Sequence[tuple[SegmentJob, EncodedImage | np.ndarray]]
    ) -> Sequence[list[Prediction] | JobError]:
        """Return the predictions of each; where one spoils the batch, each is asked alone."""
        try:
            encoded = self._encoded(asked)
            return self.segmenter.predict_batch(encoded, [ask.sentences for ask, _ in asked])
        except Exception as error:
            if len(asked) > 1:
                return [one for each in asked for one in self._predict([each])]
            return [_refusal(error, "sentence")]

    def _encoded(self, asked: Sequence[tuple[SegmentJob, EncodedImage | np.ndarray]]) -> list[EncodedImage]:
        """Return each image encoded once, though several may ask of it; new ones are kept."""
        images = {ask.digest: image for ask, image in asked}
        encoded = dict(zip(images, self.segmenter.encode_batch(list(images.values())), strict=True))
        for digest, image in encoded.items():
            self.cache.put(digest, image)
        return [encoded[ask.digest] for ask, _ in asked]


def _refusal(error: Exception, kind: Literal["picture", "sentence"]) -> JobError:
    """Return the refusal of a request for what was wrong with its image or sentence, or for a bug."""
    match error:
        case InputError():
            return JobError(kind=kind, detail=str(error))
        case MemoryError():
            return JobError(kind="memory", detail=str(error) or "no memory for the image")
    return JobError(kind="bug", detail="".join(traceback.format_exception(error)))


def _answer(
    ask: SegmentJob, image: EncodedImage | np.ndarray, predictions: list[Prediction], *, is_cached: bool
) -> SegmentResult:
    pixels = image.image if isinstance(image, EncodedImage) else image
    height, width = pixels.shape[:2]
    if ask.threshold is not None:
        predictions = [prediction.at_threshold(ask.threshold) for prediction in predictions]
    predictions = [prediction.at_least(ask.min_score) for prediction in predictions]
    return SegmentResult(
        width=width,
        height=height,
        results=[_result(prediction, ask.include) for prediction in predictions],
        is_cached=is_cached,
        drawing=_drawing(predictions) if ask.is_for_drawing else None,
    )


def _drawing(predictions: list[Prediction]) -> Drawing:
    image = predictions[0].image
    height, width = image.shape[:2]
    scale = min(1.0, PREVIEW_SIDE / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return Drawing(
        preview=image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA),
        # what is absent is drawn at no threshold
        grids=[prediction.grid * prediction.is_present for prediction in predictions],
        letterbox=predictions[0].letterbox,
    )


def _result(prediction: Prediction, include: frozenset[str]) -> dict[str, Any]:
    result = prediction.to_dict()
    if "polygons" in include:
        result["polygons"] = [outline.ravel().tolist() for outline in prediction.polygons()]
    if "png" in include:
        result["png"] = base64.b64encode(to_png(prediction.render("mask"))).decode("ascii")
    if "cutout" in include:
        result["cutout"] = base64.b64encode(to_png(prediction.render("cutout"))).decode("ascii")
    if "ambiguity" in include:
        result["ambiguity"] = prediction.ambiguity
    return result
