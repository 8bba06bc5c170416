import dataclasses
import pickle
import warnings
from itertools import chain

import cv2
import jaxtyping
import numpy as np
import pytest
import torch
from PIL import Image

from cris import Prediction, Segmenter
from cris.checkpoint import save_checkpoint
from cris.engines.torch_engine import choose_device
from cris.errors import InputError
from cris.guided_filter import GuidedFilter
from cris.model.config import InferenceConfig
from cris.model.tokenizer import Tokenizer
from tests.fixtures.small import SMALL, Pyramid, small_cris

SENTENCES = ["the red ring", "left dog", "second cup from the left"]
TOKENIZER = Tokenizer().reduced(SENTENCES)
CONFIG = dataclasses.replace(SMALL, text=dataclasses.replace(SMALL.text, vocabulary=TOKENIZER.vocab_size))
INFERENCE = InferenceConfig(input_size=64, sentence_length=12)
RNG = np.random.default_rng(0)
IMAGES = [
    RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in [(48, 64), (100, 30), (1, 1), (64, 64)]
]
LONG = " ".join(["left"] * 9 + ["dog"] * 5)


def segmenter(**options) -> Segmenter:
    return Segmenter(small_cris(CONFIG), TOKENIZER, INFERENCE, "cpu", **{"batch_size": 8} | options)


@pytest.fixture(scope="module")
def small() -> Segmenter:
    return segmenter()


def assert_same(one: Prediction, other: Prediction) -> None:
    assert one.sentence == other.sentence
    assert np.linalg.norm(one.grid - other.grid) <= 1e-5 * np.linalg.norm(other.grid)
    assert one.score == pytest.approx(other.score, abs=1e-3)
    np.testing.assert_array_equal(one.image, other.image)


def test_one_sentence_gives_one_prediction(small):
    prediction = small.predict(IMAGES[0], "the red ring")
    assert isinstance(prediction, Prediction)
    assert prediction.sentence == "the red ring"
    assert prediction.mask.shape == (48, 64)
    assert 0 <= prediction.score <= 1


def test_a_list_gives_a_list(small):
    predictions = small.predict(IMAGES[0], SENTENCES)
    assert [prediction.sentence for prediction in predictions] == SENTENCES
    assert [one.sentence for one in small.predict(IMAGES[0], SENTENCES[:1])] == SENTENCES[:1]


def test_empty_lists_give_empty_lists(small):
    assert small.predict(IMAGES[0], []) == []
    assert small.predict_batch([], []) == []
    assert small.predict_batch(IMAGES[:2], [[], []]) == [[], []]
    assert small.encode(IMAGES[0]).predict([]) == []


def test_sentences_change_the_answer(small):
    one, other = small.predict(IMAGES[0], SENTENCES[:2])
    assert np.abs(one.grid - other.grid).max() > 1e-3


def test_a_batch_keeps_its_shape(small):
    answers = small.predict_batch(IMAGES, ["left dog", ["left dog", "the red ring"], [], ["left dog"]])
    assert isinstance(answers[0], Prediction)
    assert [len(answer) for answer in answers[1:]] == [2, 0, 1]
    assert answers[0].mask.shape == (48, 64)
    assert all(one.mask.shape == (100, 30) for one in answers[1])
    assert answers[3][0].mask.shape == (64, 64)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_the_size_of_batches_changes_nothing(small, batch_size):
    sentences = [SENTENCES, "left dog", SENTENCES[1:], SENTENCES[0]]
    expected = small.predict_batch(IMAGES, sentences)
    got = segmenter(batch_size=batch_size).predict_batch(IMAGES, sentences)
    for one, other in zip(expected, got, strict=True):
        for left, right in zip(np.atleast_1d(one), np.atleast_1d(other), strict=True):
            assert_same(left, right)


def test_never_more_than_a_batch_goes_through_the_model(monkeypatch):
    small = segmenter(batch_size=2)
    sizes = []
    plain = small.engine.model
    encode_image, encode_text = plain.encode_image, plain.encode_text
    monkeypatch.setattr(plain, "encode_image", lambda x: (sizes.append(len(x)), encode_image(x))[1])
    monkeypatch.setattr(plain, "encode_text", lambda x: (sizes.append(len(x)), encode_text(x))[1])
    small.predict_batch(IMAGES[:3], [SENTENCES] * 3)
    assert sizes == [2, 2, 2, 2, 1, 2, 1]


def test_a_image_is_encoded_once_for_all_its_sentences(small, monkeypatch):
    calls = []
    plain = small.engine.model
    encode_image = plain.encode_image
    monkeypatch.setattr(plain, "encode_image", lambda x: (calls.append(len(x)), encode_image(x))[1])
    encoded = small.encode(IMAGES[0])
    for sentence in SENTENCES:
        encoded.predict(sentence)
    small.predict(IMAGES[0], SENTENCES)
    assert calls == [1, 1]


def test_encoded_images_and_new_ones_answer_together(small, monkeypatch):
    calls = []
    plain = small.engine.model
    encode_image = plain.encode_image
    monkeypatch.setattr(plain, "encode_image", lambda x: (calls.append(len(x)), encode_image(x))[1])
    kept = small.encode_batch(IMAGES[:2])
    together = small.predict_batch([IMAGES[2], kept[0], IMAGES[3], kept[1]], [SENTENCES] * 4)
    assert calls == [2, 2]
    expected = small.predict_batch([IMAGES[place] for place in (2, 0, 3, 1)], [SENTENCES] * 4)
    for one, other in zip(chain(*together), chain(*expected), strict=True):
        assert_same(one, other)


def test_keeping_one_encoded_image_does_not_keep_its_batch(small):
    one, other = small.encode_batch(IMAGES[:2])
    assert one.features[0].untyped_storage().data_ptr() != other.features[0].untyped_storage().data_ptr()
    memory = sum(feature.untyped_storage().nbytes() for feature in one.features)
    assert one.nbytes == one.image.nbytes + memory


def test_files_and_images_are_read(small, tmp_path):
    path = tmp_path / "été.png"
    Image.fromarray(IMAGES[0]).save(path)
    expected = small.predict(IMAGES[0], "left dog")
    for source in (path, str(path), path.read_bytes(), Image.open(path)):
        assert_same(small.predict(source, "left dog"), expected)


def test_a_saved_model_answers_as_before(small, tmp_path):
    save_checkpoint(tmp_path / "model", small.engine.model, TOKENIZER, INFERENCE, "card")
    for folder in (tmp_path / "model", str(tmp_path / "model")):
        loaded = Segmenter.from_pretrained(folder, "cpu", batch_size=3, is_strict=True)
        assert (loaded.inference, loaded.batch_size, loaded.is_strict) == (INFERENCE, 3, True)
        assert_same(loaded.predict(IMAGES[0], "left dog"), small.predict(IMAGES[0], "left dog"))


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="no-such-model"):
        Segmenter.from_pretrained("no-such-model")
    with pytest.raises(ValueError, match=str(tmp_path)):
        Segmenter.from_pretrained(tmp_path)


def test_protocol_and_threshold_are_the_checkpoints(small):
    released = dataclasses.replace(INFERENCE, protocol="released", threshold=0.0)
    prediction = Segmenter(small.engine.model, TOKENIZER, released, "cpu").predict(IMAGES[0], "left dog")
    assert prediction.letterbox.protocol == "released"
    np.testing.assert_array_equal(prediction.mask, prediction.letterbox.restore(prediction.grid) > 0)


def test_a_guided_filter_fits_the_probabilities_to_the_image(small):
    plain = small.predict(IMAGES[0], SENTENCES[0])
    inference = dataclasses.replace(INFERENCE, guided_radius=2)
    filtering = Segmenter(small.engine, TOKENIZER, inference)
    filtered = filtering.predict(IMAGES[0], SENTENCES[0])
    cells = plain.letterbox.cells
    square = plain.letterbox.apply(np.asarray(plain.image))
    expected = GuidedFilter(plain.letterbox.cell_colours(square), 2)(plain.grid[cells].copy())
    assert np.array_equal(filtered.grid[cells], expected)
    assert not np.array_equal(filtered.grid[cells], plain.grid[cells])
    assert filtering.encode(IMAGES[0]).nbytes > small.encode(IMAGES[0]).nbytes


def test_prediction_carries_no_gradients_and_trains_nothing():
    model = small_cris(CONFIG).train()
    small = Segmenter(model, TOKENIZER, INFERENCE, "cpu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    small.predict(IMAGES[0], SENTENCES)
    assert not model.training
    assert not small.encode(IMAGES[0]).features.coarse.requires_grad
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("blank", ["", "  \n\t", "\u00a0"])
def test_a_blank_sentence_is_refused_before_the_image_is_read(small, blank):
    for ask in (
        lambda: small.predict("nowhere.jpg", blank),
        lambda: small.predict("nowhere.jpg", ["left dog", blank]),
        lambda: small.predict_batch(["nowhere.jpg"], [[blank]]),
        lambda: small.encode(IMAGES[0]).predict(blank),
    ):
        with pytest.raises(ValueError, match="blank"):
            ask()


def test_a_long_sentence_is_cut_with_a_warning_that_names_the_cut(small):
    with pytest.warns(UserWarning, match="longer than the model's 12 tokens: 'dog dog dog dog' is not read"):
        cut = small.predict(IMAGES[0], LONG)
    assert cut.sentence == LONG
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(cut.grid, small.predict(IMAGES[0], LONG[: -len(" dog" * 4)]).grid)


def test_a_long_sentence_is_refused_when_strict():
    with pytest.raises(
        ValueError, match="longer than the model's 12 tokens: shorten it by 'dog dog dog dog'"
    ):
        segmenter(is_strict=True).predict("nowhere.jpg", LONG)


def test_messages_quote_the_beginning_of_a_very_long_sentence(small):
    with pytest.warns(UserWarning, match="is not read") as told:
        small.predict(IMAGES[0], "dog " * 1000)
    assert len(str(told[0].message)) < 400


def test_a_batch_may_come_one_by_one(small):
    found = small.predict_batch(iter(IMAGES[:2]), iter(["left dog", ["dog"]]))
    assert_same(found[0], small.predict(IMAGES[0], "left dog"))
    with pytest.raises(InputError, match="a sentence must be text in UTF-8"):
        small.predict(IMAGES[0], "a \ud800")


def test_a_image_that_cannot_be_read_is_named(small, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.jpg: expected an image"):
        small.predict(tmp_path / "nowhere.jpg", "left dog")
    with pytest.raises(ValueError, match="expected a uint8 RGB array"):
        small.predict(IMAGES[0].astype(np.float32), "left dog")


def test_what_is_no_pair_of_lists_is_refused(small):
    with pytest.raises(ValueError, match="2 images and 1 entries of sentences"):
        small.predict_batch(IMAGES[:2], ["left dog"])
    with pytest.raises(ValueError, match="must be lists"):
        small.predict_batch("ab", ["left dog", "left dog"])
    with pytest.raises(ValueError, match="must be lists"):
        small.predict_batch(IMAGES[:2], "ab")


@pytest.mark.parametrize(
    ("sentences", "told"),
    [
        (None, "expected a sentence or a list of them, got None"),
        (7, "expected a sentence or a list of them, got 7"),
        (["left dog", None], "expected a sentence to be text, got None"),
        ((each for each in SENTENCES), "expected a sentence or a list of them"),
    ],
)
def test_what_is_no_sentence_is_named(small, sentences, told, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as where people run it
    with pytest.raises(InputError, match=told):
        small.predict(IMAGES[0], sentences)
    with pytest.raises(InputError, match=told):
        small.encode(IMAGES[0]).predict(sentences)


def test_any_sequence_of_sentences_is_answered(small):
    found = small.predict(IMAGES[0], tuple(SENTENCES))
    assert [each.sentence for each in found] == SENTENCES
    assert len(small.encode(IMAGES[0]).predict(tuple(SENTENCES))) == len(SENTENCES)
    assert len(small.predict_batch(IMAGES[:1], [tuple(SENTENCES)])[0]) == len(SENTENCES)


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(tmp_path / "mine", small_cris(CONFIG), TOKENIZER, INFERENCE, card="")
    return tmp_path / "mine"


def test_it_prints_model_device_and_engine_in_one_line(small, folder):
    opened = Segmenter.from_pretrained(folder, "cpu")
    assert repr(opened) == "Segmenter(mine, device cpu, TorchEngine)"
    assert repr(small) == "Segmenter(a model of your own, device cpu, TorchEngine)"
    assert repr(small.encode(IMAGES[0])) == f"EncodedImage(64×48 pixels, {small!r})"


def test_a_copy_in_another_process_is_opened_as_the_first_was(folder):
    opened = Segmenter.from_pretrained(folder, "cpu", batch_size=3, is_strict=True)
    opened.inference = dataclasses.replace(opened.inference, threshold=0.2)
    copy = pickle.loads(pickle.dumps(opened))
    assert (copy.name, copy.batch_size, copy.is_strict) == ("mine", 3, True)
    assert copy.inference == opened.inference
    assert_same(copy.predict(IMAGES[0], "left dog"), opened.predict(IMAGES[0], "left dog"))


def test_a_model_that_was_given_finished_cannot_be_sent_and_says_why(small):
    with pytest.raises(TypeError, match="save that, and open it there"):
        pickle.dumps(small)


def test_parts_that_do_not_fit_are_refused():
    model = small_cris(CONFIG)
    with pytest.raises(ValueError, match=rf"knows {TOKENIZER.vocab_size} tokens, the tokenizer 49408"):
        Segmenter(model, Tokenizer(), INFERENCE, "cpu")
    for length in (2, 33):
        with pytest.raises(ValueError, match=f"from 3 to the model's 32 tokens, got {length}"):
            Segmenter(model, TOKENIZER, dataclasses.replace(INFERENCE, sentence_length=length), "cpu")
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        segmenter(batch_size=0)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "tpu", "", "CPU"])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(
        ValueError, match=rf"device must be auto or what this machine has \(.*cpu\), got '{device}'"
    ):
        choose_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match="got 'cuda'"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"), [(2, True, "cuda:0"), (0, True, "mps"), (0, False, "cpu")]
)
def test_auto_takes_the_fastest_device_that_is_there(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(chosen)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    "exhaust",
    [
        lambda _: torch.empty(2**50),
        lambda _: np.empty(2**50),
        lambda _: cv2.resize(np.zeros((2, 2), np.uint8), (2**30, 2**15)),
    ],
    ids=["torch", "numpy", "opencv"],
)
def test_out_of_memory_comes_with_advice(monkeypatch, exhaust):
    small = segmenter()
    monkeypatch.setattr(small.engine.model, "encode_image", exhaust)
    with pytest.raises(MemoryError, match="take fewer images and sentences at a time"):
        small.predict(IMAGES[0], "left dog")


def test_other_errors_stay_what_they_are(monkeypatch):
    small = segmenter()
    monkeypatch.setattr(small.engine.model, "encode_image", lambda _: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        small.predict(IMAGES[0], "left dog")


def test_the_package_gives_its_classes_when_asked():
    import cris

    assert {"Segmenter", "Prediction"} <= set(cris.__all__)
    with pytest.raises(AttributeError, match="module 'cris' has no attribute 'Segmentr'"):
        cris.Segmentr  # noqa: B018


def test_a_model_with_an_image_encoder_from_outside_is_opened_with_it(tmp_path):
    model = small_cris(CONFIG, image_encoder=Pyramid)
    save_checkpoint(tmp_path / "model", model, TOKENIZER, INFERENCE, "")
    found = Segmenter.from_pretrained(tmp_path / "model", "cpu", image_encoder=Pyramid)
    expected = Segmenter(model, TOKENIZER, INFERENCE, "cpu").predict(IMAGES[0], SENTENCES[0])
    assert_same(found.predict(IMAGES[0], SENTENCES[0]), expected)
    assert_same(pickle.loads(pickle.dumps(found)).predict(IMAGES[0], SENTENCES[0]), expected)
    with pytest.raises(InputError, match="pass image_encoder=Pyramid"):
        Segmenter.from_pretrained(tmp_path / "model", "cpu")
    with pytest.raises(InputError, match="engine onnx needs an export"):
        Segmenter.from_pretrained(tmp_path / "model", engine="onnx", image_encoder=Pyramid)
