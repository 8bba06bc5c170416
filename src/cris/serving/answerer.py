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
from cris.picture import read_picture
from cris.prediction import Prediction
from cris.segmenter import EncodedPicture, Segmenter
from cris.serving.messages import Answer, Ask, Drawing, Refusal, Reply

PREVIEW_SIDE = 1600
"""Longest side of an image as the page shows it, in pixels."""


class FeatureCache:
    """Encoded images by the digest of their bytes, as many as fit."""

    def __init__(self, limit: int) -> None:
        """Start an empty cache of at most `limit` bytes."""
        self.limit = limit
        self.nbytes = 0
        self._kept: OrderedDict[bytes, EncodedPicture] = OrderedDict()

    def get(self, digest: bytes) -> EncodedPicture | None:
        """Return the image, if it is there; it is then the last to go."""
        if digest in self._kept:
            self._kept.move_to_end(digest)
        return self._kept.get(digest)

    def put(self, digest: bytes, picture: EncodedPicture) -> None:
        """Keep the image, unless it is larger than the whole cache."""
        if picture.nbytes > self.limit or digest in self._kept:
            return
        self._kept[digest] = picture
        self.nbytes += picture.nbytes
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

    def reply(self, asks: Sequence[Ask]) -> Reply:
        """Return an answer, or the reason for none, to each."""
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
        for (place, (ask, picture)), predictions in zip(asked.items(), found, strict=True):
            if isinstance(predictions, Refusal):
                answers[place] = predictions
                continue
            try:
                answers[place] = _answer(ask, picture, predictions, is_cached=ask.digest not in new)
            except Exception as error:
                answers[place] = _refusal(error, "sentence")
        return [answers[place] for place in range(len(asks))]

    def _read(self, content: bytes) -> np.ndarray | Refusal:
        """Return the image's pixels; its size is read first, so that a bomb is never unpacked."""
        try:
            return read_picture(content, max_pixels=self.pixels)
        except Exception as error:
            return _refusal(error, "picture")

    def _predict(
        self, asked: Sequence[tuple[Ask, EncodedPicture | np.ndarray]]
    ) -> Sequence[list[Prediction] | Refusal]:
        """Return the predictions of each; where one spoils the batch, each is asked alone."""
        try:
            encoded = self._encoded(asked)
            return self.segmenter.predict_batch(encoded, [ask.sentences for ask, _ in asked])
        except Exception as error:
            if len(asked) > 1:
                return [one for each in asked for one in self._predict([each])]
            return [_refusal(error, "sentence")]

    def _encoded(self, asked: Sequence[tuple[Ask, EncodedPicture | np.ndarray]]) -> list[EncodedPicture]:
        """Return each image encoded once, though several may ask of it; new ones are kept."""
        pictures = {ask.digest: picture for ask, picture in asked}
        encoded = dict(zip(pictures, self.segmenter.encode_batch(list(pictures.values())), strict=True))
        for digest, picture in encoded.items():
            self.cache.put(digest, picture)
        return [encoded[ask.digest] for ask, _ in asked]


def _refusal(error: Exception, kind: Literal["picture", "sentence"]) -> Refusal:
    """Return the refusal of a request for what was wrong with its image or sentence, or for a bug."""
    match error:
        case InputError():
            return Refusal(kind=kind, detail=str(error))
        case MemoryError():
            return Refusal(kind="memory", detail=str(error) or "no memory for the picture")
    return Refusal(kind="bug", detail="".join(traceback.format_exception(error)))


def _answer(
    ask: Ask, picture: EncodedPicture | np.ndarray, predictions: list[Prediction], *, is_cached: bool
) -> Answer:
    pixels = picture.picture if isinstance(picture, EncodedPicture) else picture
    height, width = pixels.shape[:2]
    if ask.threshold is not None:
        predictions = [prediction.at_threshold(ask.threshold) for prediction in predictions]
    predictions = [prediction.at_least(ask.min_score) for prediction in predictions]
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
        # what is absent is drawn at no threshold
        grids=[prediction.grid * prediction.is_present for prediction in predictions],
        letterbox=predictions[0].letterbox,
    )


def _result(prediction: Prediction, include: frozenset[str]) -> dict[str, Any]:
    result = prediction.to_dict()
    if "polygons" in include:
        result["polygons"] = [outline.ravel().tolist() for outline in prediction.polygons()]
    if "png" in include:
        result["png"] = base64.b64encode(to_png(prediction.image("mask"))).decode("ascii")
    if "cutout" in include:
        result["cutout"] = base64.b64encode(to_png(prediction.image("cutout"))).decode("ascii")
    if "ambiguity" in include:
        result["ambiguity"] = prediction.ambiguity
    return result
