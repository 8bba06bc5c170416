"""Exported models answer as the model they come from, for any number of images and sentences."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch

from cris import Segmenter, __version__, export_model
from cris.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cris.data.scenes import Scenes
from cris.demo.photographs import photographs
from cris.engines.export_folder import read_exported
from cris.engines.formats import FORMATS, Format
from cris.errors import InputError
from cris.export.check import LIMITS
from cris.export.samples import noise_samples
from cris.model import BACKBONES, InferenceConfig, build_cris
from cris.model.tokenizer import Tokenizer
from cris.registry import resolve
from tests.fixtures.plugin import MakeOnce, Proof
from tests.fixtures.small import SMALL, SMALL_LITE, Pyramid, shallow, small_cris
from tests.fixtures.wordpieces import PIECES

EMBEDDED = "cris-scenes"
IMAGE = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)


@pytest.fixture(scope="module")
def exports(exported_scenes: Callable[[str], Path]) -> dict[Format, Path]:
    """The embedded model in every format."""
    return {format: exported_scenes(format) for format in FORMATS}


@pytest.fixture(scope="module")
def lite(make_once: MakeOnce) -> Path:
    """A small model with the encoders of cris-photos and random weights."""
    tokenizer = Tokenizer.from_word_pieces(PIECES)
    config = shallow(replace(SMALL_LITE, text=replace(SMALL_LITE.text, vocabulary=tokenizer.vocab_size)))
    inference = InferenceConfig(input_size=96, sentence_length=12)
    model = small_cris(config)
    return make_once("lite", lambda folder: save_checkpoint(folder, model, tokenizer, inference, "# lite\n"))


@pytest.fixture(scope="module")
def lite_exports(lite: Path, make_once: MakeOnce) -> dict[Format, Path]:
    """That model in every format."""
    return {
        format: make_once(f"lite-{format}", partial(export_model, lite, format=format)) for format in FORMATS
    }


opened = cache(Segmenter.from_pretrained)
checkpoint_at = cache(load_checkpoint)


def assert_answers_alike(folder: Path, model: Path, image_count: int, sentences: int) -> None:
    """An exported folder gives the logits of the checkpoint."""
    engine = opened(folder).engine
    samples = noise_samples(max(image_count, sentences), read_exported(folder).config)
    images = np.concatenate([sample.image for sample in samples[:image_count]])
    tokens = np.concatenate([sample.tokens for sample in samples[:sentences]])
    index = (np.arange(sentences) * 3 + 1) % image_count
    with torch.inference_mode():
        expected = checkpoint_at(model).model(*map(torch.from_numpy, (images, tokens, index))).logits.numpy()
    answer = engine.segment(engine.encode_image(images), tokens, index).logits
    assert np.linalg.norm(answer - expected) <= LIMITS["fp32"] * np.linalg.norm(expected)


NUMBERS = pytest.mark.parametrize(("images", "sentences"), [(1, 1), (1, 5), (4, 2), (5, 7)])


@pytest.mark.parametrize("format", FORMATS)
@NUMBERS
def test_any_number_of_images_and_sentences_is_answered_as_by_the_model(
    exports: dict[Format, Path], format: Format, images: int, sentences: int
) -> None:
    assert_answers_alike(exports[format], resolve(EMBEDDED), images, sentences)


@pytest.mark.parametrize("format", FORMATS)
@NUMBERS
def test_efficientnet_and_bert_answer_any_number_as_the_model_does(
    lite: Path, lite_exports: dict[Format, Path], format: Format, images: int, sentences: int
) -> None:
    assert_answers_alike(lite_exports[format], lite, images, sentences)


def test_a_model_with_an_image_encoder_from_outside_is_exported(tmp_path: Path) -> None:
    tokenizer = Tokenizer().reduced(["the red ring"])
    config = shallow(replace(SMALL, text=replace(SMALL.text, vocabulary=tokenizer.vocab_size)))
    model = small_cris(config, image_encoder=Pyramid)
    inference = InferenceConfig(input_size=96, sentence_length=12)
    save_checkpoint(tmp_path / "model", model, tokenizer, inference, "# own\n")
    result = export_model(tmp_path / "model", tmp_path / "out", format="pt2", image_encoder=Pyramid)
    assert result.files.keys() == {path.name for path in (tmp_path / "out").iterdir()}
    assert str(result).splitlines()[-1].startswith("logits differ from the model's by")
    exported = Segmenter.from_pretrained(tmp_path / "out").predict(IMAGE, "the red ring")
    plain = Segmenter(model, tokenizer, inference, "cpu").predict(IMAGE, "the red ring")
    np.testing.assert_allclose(exported.grid, plain.grid, atol=1e-4)
    with pytest.raises(InputError, match="exported with its image encoder: leave image_encoder out"):
        Segmenter.from_pretrained(tmp_path / "out", image_encoder=Pyramid)


@pytest.mark.parametrize("format", FORMATS)
def test_efficientnet_and_bert_predict_alike_from_a_file_to_a_mask(
    lite: Path, lite_exports: dict[Format, Path], format: Format
) -> None:
    image = photographs()[0].path
    sentences = ["the red dog", "a man holding an umbrella", "Straße 左"]
    plain, exported = opened(lite, "cpu"), opened(lite_exports[format])
    for one, other in zip(plain.predict(image, sentences), exported.predict(image, sentences), strict=True):
        np.testing.assert_allclose(other.grid, one.grid, atol=1e-4)


@pytest.mark.parametrize("format", FORMATS)
def test_a_segmenter_of_an_exported_folder_finds_what_the_models_own_finds(
    exports: dict[Format, Path], format: Format
) -> None:
    plain, exported = opened(EMBEDDED, "cpu"), opened(exports[format])
    assert exported.inference == plain.inference
    sample = Scenes(split="test")[7]
    sentences = [sample.sentence, "the red ring"]
    encoded = exported.encode(sample.image)
    assert encoded.nbytes > sample.image.nbytes
    for one, other in zip(plain.predict(sample.image, sentences), encoded.predict(sentences), strict=True):
        assert (one.mask == other.mask).mean() > 0.9999
        assert one.score == pytest.approx(other.score, abs=1e-3)
        assert one.sentence == other.sentence


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_an_exported_model_is_asked_without_torch(exports: dict[Format, Path], format: str) -> None:
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors", "huggingface_hub", "tyro", "rich"):
            raise ImportError(f"{{name}} is not here")
sys.meta_path.insert(0, Refuse())
import numpy
from cris import Segmenter
segmenter = Segmenter.from_pretrained({str(exports[format])!r})
prediction = segmenter.predict(numpy.zeros((48, 64, 3), "uint8"), "a cup")
assert prediction.mask.shape == (48, 64) and "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_wishes_that_an_export_does_not_meet_are_refused(exports: dict[Format, Path]) -> None:
    for wishes in ({"engine": "torch"}, {"precision": "int8"}):
        with pytest.raises(ValueError, match="is a model for engine onnx in fp32, asked for was"):
            Segmenter.from_pretrained(exports["onnx"], **wishes)
    with pytest.raises(ValueError, match="runs on the device cpu, got 'cuda'"):
        Segmenter.from_pretrained(exports["onnx"], "cuda")
    with pytest.raises(ValueError, match="cannot be compiled"):
        Segmenter.from_pretrained(exports["pt2"], is_compiled=True)


@pytest.mark.parametrize("format", FORMATS)
def test_three_lines_of_python_write_a_model_and_ask_it(exports: dict[Format, Path], format: Format) -> None:
    segmenter = opened(exports[format])
    prediction = segmenter.predict(IMAGE, "the red ring")

    expected = opened(EMBEDDED, "cpu").predict(IMAGE, "the red ring")
    assert np.abs(prediction.grid - expected.grid).max() < 1e-3
    metadata = json.loads((exports[format] / "export.json").read_text())
    assert metadata == {
        "schema_version": 1,
        "format": format,
        "precision": "fp32",
        "versions": {"cris": __version__, "torch": torch.__version__},
    }


def test_weights_are_in_one_of_the_two_programs(exports: dict[Format, Path]) -> None:
    stored = (resolve(EMBEDDED) / "model.safetensors").stat().st_size * 2  # in float16
    for format in FORMATS:
        assert sum(path.stat().st_size for path in exports[format].iterdir()) < 1.5 * stored


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(InputError, match="an export needs a new or empty folder"):
            export_model(EMBEDDED, folder, format="onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_that_fails_its_check_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(LIMITS, "fp32", 0.0)
    with pytest.raises(InputError, match="differ from the model's"):
        export_model(EMBEDDED, tmp_path, format="onnx")
    assert not list(tmp_path.iterdir())


def test_folders_of_before_export_json_open(exports: dict[Format, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(exports["onnx"], tmp_path / "export")
    (folder / "export.json").unlink()
    record = {"job": "export", "schema_version": 1, "format": "onnx", "precision": "fp32"}
    (folder / "results.json").write_text(json.dumps(record))
    assert Segmenter.from_pretrained(folder).device == "cpu"


@pytest.mark.parametrize("lost", ["sentence.onnx", "tokenizer.json", "config.json"])
def test_what_an_exported_folder_lacks_is_named(
    exports: dict[Format, Path], tmp_path: Path, lost: str
) -> None:
    folder = shutil.copytree(exports["onnx"], tmp_path / "export")
    (folder / lost).unlink()
    with pytest.raises(ValueError, match=f"has no {lost}"):
        Segmenter.from_pretrained(folder)


def test_a_damaged_graph_is_named(exports: dict[Format, Path], tmp_path: Path) -> None:
    for format, suffix in (("onnx", ".onnx"), ("openvino", ".xml"), ("pt2", ".pt2")):
        folder = shutil.copytree(exports[format], tmp_path / format)
        graph = folder / f"sentence{suffix}"
        graph.write_bytes(graph.read_bytes()[:1000])
        with pytest.raises(InputError, match=f"sentence{suffix} cannot be opened: export the model again"):
            Segmenter.from_pretrained(folder)


def test_foreign_metadata_are_named(exports: dict[Format, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(exports["onnx"], tmp_path / "export")
    metadata = folder / "export.json"
    metadata.write_text(metadata.read_text().replace("fp32", "bf16"))
    with pytest.raises(ValueError, match="'onnx' and 'bf16': update cris"):
        Segmenter.from_pretrained(folder)
    for content in ("[]", "{", '{"schema_version": 1, "format": [], "precision": "fp32"}'):
        metadata.write_text(content)
        with pytest.raises(InputError, match=r"export\.json is not what cris export writes"):
            Segmenter.from_pretrained(folder)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"engine": "tvm"}, "engine must be torch, onnx or openvino, got 'tvm'"),
        ({"precision": "fp8"}, "precision must be fp32, bf16 or int8, got 'fp8'"),
        ({"precision": "int8"}, "the engine torch runs in fp32 or bf16, got int8"),
    ],
)
def test_unknown_engines_and_precisions_are_refused(
    wish: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as where people run it
    with pytest.raises(InputError, match=f"^{told}"):
        Segmenter.from_pretrained(EMBEDDED, **wish)


def test_bfloat16_finds_nearly_the_same() -> None:
    sample = Scenes(split="test")[3]
    one = Segmenter.from_pretrained(EMBEDDED, "cpu", precision="bf16").predict(sample.image, sample.sentence)
    other = opened(EMBEDDED, "cpu").predict(sample.image, sample.sentence)
    assert np.abs(one.grid - other.grid).mean() < 0.02


def test_a_checkpoint_is_exported_once_for_an_engine_and_kept(
    exports: dict[Format, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Path, str, str]] = []

    def export(model: Path, folder: Path, *, format: Format, precision: str) -> None:
        made.append((model, format, precision))
        shutil.copytree(exports[format], folder)

    monkeypatch.setattr("cris.export.cache.export_model", export)
    monkeypatch.setenv("CRIS_CACHE", str(tmp_path))
    sample = Scenes(split="test")[3]
    found = [
        Segmenter.from_pretrained(EMBEDDED, engine="onnx").predict(sample.image, sample.sentence)
        for _ in range(2)
    ]
    (kept,) = (tmp_path / "exports").glob("*-onnx-fp32")
    written = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(found[0].mask, found[1].mask)
    Segmenter.from_pretrained(EMBEDDED, engine="onnx")
    assert kept.stat().st_mtime_ns == written
    assert made == [(resolve(EMBEDDED), "onnx", "fp32")]


@pytest.mark.parametrize("format", FORMATS)
def test_paper_sized_models_export_exactly(tmp_path: Path, prove: Proof, format: Format) -> None:
    for name in ["RN50", "RN101"][: prove.count(full=2, quick=0)]:
        torch.manual_seed(0)
        checkpoint = Checkpoint(
            model=build_cris(BACKBONES[name]).eval(),
            tokenizer=Tokenizer(),
            inference=InferenceConfig(),
            card="",
        )
        written = export_model(checkpoint, tmp_path, format=format)
        largest = max(written.differences.values())
        prove.figure(f"{name} as {format}, fp32: relative difference of logits", f"{largest:.1e}")
        assert largest <= LIMITS["fp32"]
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
    assert FORMATS[format].precisions[0] == "fp32"
