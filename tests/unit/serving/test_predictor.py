import dataclasses
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from cris import Segmenter
from cris.masks import decode_rle
from cris.model.config import InferenceConfig
from cris.serving.messages import JobError, SegmentJob, SegmentResult
from cris.serving.predictor import Answerer, FeatureCache
from tests.fixtures.served import png
from tests.fixtures.small import small_cris
from tests.unit.test_segmenter import CONFIG, SENTENCES, TOKENIZER

MOST_PIXELS = 10_000


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    inference = InferenceConfig(input_size=64, sentence_length=12, threshold=0.5)
    return Segmenter(small_cris(CONFIG), TOKENIZER, inference, "cpu", is_strict=True)


def answerer(segmenter: Segmenter, cache_bytes: int = 2**20) -> Answerer:
    return Answerer(segmenter, FeatureCache(cache_bytes), MOST_PIXELS)


def ask(image: bytes, *sentences: str, **options) -> SegmentJob:
    return SegmentJob(
        image=image, digest=hashlib.sha256(image).digest(), sentences=list(sentences), **options
    )


def test_each_answer_is_what_the_direct_call_gives(segmenter):
    asks = [ask(png(seed=seed), *SENTENCES[: seed + 1]) for seed in range(3)]
    reply = answerer(segmenter).reply(asks)
    for one, answer in zip(asks, reply.answers, strict=True):
        expected = segmenter.predict(one.image, one.sentences)
        assert (answer.height, answer.width) == expected[0].mask.shape
        for result, prediction in zip(answer.results, expected, strict=True):
            assert result["sentence"] == prediction.sentence
            assert result["score"] == pytest.approx(prediction.score, abs=1e-5)
            differs = decode_rle(result["rle"]) != prediction.mask
            assert (abs(prediction.probability[differs] - 0.5) < 1e-4).all()


def test_bad_requests_of_a_batch_are_refused_alone(segmenter):
    asks = [
        ask(png(seed=1), "left dog"),
        ask(b"none", "left dog"),
        ask(png(101, 100), "left dog"),
        ask(png(seed=2), "left " * 20),
        ask(png(seed=1), "the red ring"),
    ]
    first, none, large, long, last = answerer(segmenter).reply(asks).answers
    assert isinstance(first, SegmentResult)
    assert isinstance(last, SegmentResult)
    assert [refusal.kind for refusal in (none, large, long)] == ["picture", "picture", "sentence"]
    assert "at most 10,000 pixels, got 100×101" in large.detail
    assert "longer than the model's 12 tokens" in long.detail


def test_a_bug_costs_its_own_request(segmenter, monkeypatch):
    predict = segmenter.predict_batch

    def planted(images, sentences):
        if ["left cat"] in sentences:
            list(zip([1], [], strict=True))
        return predict(images, sentences)

    monkeypatch.setattr(segmenter, "predict_batch", planted)
    asks = [ask(png(), sentence) for sentence in ("left dog", "left cat", "the red ring")]
    first, bug, last = answerer(segmenter).reply(asks).answers
    assert isinstance(first, SegmentResult)
    assert isinstance(last, SegmentResult)
    assert bug.kind == "bug"
    assert "Traceback" in bug.detail
    assert "zip() argument 2" in bug.detail


def test_a_image_is_encoded_once_while_it_is_kept(segmenter, monkeypatch):
    encoded = []
    encode_batch = segmenter.encode_batch

    def counting(images):
        encoded.extend(image for image in images if isinstance(image, np.ndarray))
        return encode_batch(images)

    monkeypatch.setattr(segmenter, "encode_batch", counting)
    keeping = answerer(segmenter)
    asks = [ask(png(seed=1), "left dog"), ask(png(seed=1), "the red ring"), ask(png(seed=2), "left dog")]
    assert [answer.is_cached for answer in keeping.reply(asks).answers] == [False] * 3
    assert len(encoded) == 2
    assert [answer.is_cached for answer in keeping.reply(asks).answers] == [True] * 3
    assert len(encoded) == 2
    forgetful = answerer(segmenter, cache_bytes=0)
    for _ in range(2):
        reply = forgetful.reply(asks)
        assert [answer.is_cached for answer in reply.answers] == [False] * 3
        assert reply.cache_bytes == 0


def test_the_cache_keeps_its_limit_and_what_was_asked_last(segmenter):
    images = segmenter.encode_batch([np.zeros((40, 60, 3), dtype=np.uint8)] * 3)
    size = images[0].nbytes
    cache = FeatureCache(2 * size)
    cache.put(b"a", images[0])
    cache.put(b"b", images[1])
    assert cache.get(b"a") is images[0]
    cache.put(b"c", images[2])
    assert [cache.get(digest) is not None for digest in (b"a", b"b", b"c")] == [True, False, True]
    assert cache.nbytes == 2 * size
    small = FeatureCache(size - 1)
    small.put(b"a", images[0])
    assert (small.get(b"a"), small.nbytes) == (None, 0)


def test_extras_describe_the_mask(segmenter):
    include = frozenset({"png", "polygons", "ambiguity"})
    (answer,) = answerer(segmenter).reply([ask(png(), "left dog", include=include)]).answers
    (result,) = answer.results
    assert result.keys() == {"sentence", "score", "box", "rle", "png", "polygons", "ambiguity"}


def test_what_it_takes_to_draw_comes_when_asked_for(segmenter):
    (answer,) = answerer(segmenter).reply([ask(png(30, 90), "left dog", is_for_drawing=True)]).answers
    drawing = answer.drawing
    assert drawing.preview.shape == (30, 90, 3)
    mask = drawing.letterbox.restore(drawing.grids[0]) > 0.5
    assert np.array_equal(mask, decode_rle(answer.results[0]["rle"]))
    (plain,) = answerer(segmenter).reply([ask(png(), "left dog")]).answers
    assert plain.drawing is None


def test_a_image_that_pillow_opens_but_cannot_read_is_refused(segmenter):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((50, 50), dtype=np.float32)).save(buffer, "TIFF")
    (refusal,) = answerer(segmenter).reply([ask(buffer.getvalue(), "left dog")]).answers
    assert isinstance(refusal, JobError)
    assert "mode F" in refusal.detail


def test_a_image_without_sentences_is_read_and_kept(segmenter):
    answering = answerer(segmenter)
    read, bad = answering.reply([ask(png(seed=3)), ask(b"text")]).answers
    assert isinstance(read, SegmentResult)
    assert (read.height, read.width, read.results) == (40, 60, [])
    assert isinstance(bad, JobError)
    (again,) = answering.reply([ask(png(seed=3), SENTENCES[0])]).answers
    assert again.is_cached


def test_what_is_absent_is_drawn_at_no_threshold(segmenter):
    sure = Segmenter(
        segmenter.engine, TOKENIZER, dataclasses.replace(segmenter.inference, peak_threshold=1.0), "cpu"
    )
    (answer,) = answerer(sure).reply([ask(png(seed=1), SENTENCES[0], is_for_drawing=True)]).answers
    assert answer.drawing is not None
    assert not answer.drawing.grids[0].any()
