"""A vision transformer in every exported form."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cris import Segmenter, export_model
from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.engines.formats import FORMATS, Format
from cris.errors import InputError
from cris.export import check
from cris.export.quantize import Inputs, quantization_steps
from cris.model import InferenceConfig
from cris.model.tokenizer import Tokenizer
from tests.exports.test_export import assert_answers_alike
from tests.fixtures.plugin import IS_FULL_SIZE, Proof
from tests.fixtures.small import SMALL_VIT, shallow, small_cris

EVERY = [(format, patch) for format in FORMATS for patch in (16, 14, 32)]
EXPORTS = EVERY if IS_FULL_SIZE else [("openvino", 16), ("onnx", 16), ("pt2", 14)]
"""Exports to make: of every size of patches in every format, or in each format once."""
INT8 = ["openvino", "onnx"] if IS_FULL_SIZE else ["openvino"]
"""Formats; cris-scenes always comes in the other one (test_export_int8.py)."""
INFERENCE = InferenceConfig(input_size=96, sentence_length=12)


def checkpoint_of(folder: Path, patch: int) -> Path:
    """A small model with random weights, and patches of that side."""
    tokenizer = Tokenizer().reduced(["the red ring"])
    config = replace(
        shallow(SMALL_VIT),
        image=replace(SMALL_VIT.image, patch_size=patch),
        text=replace(SMALL_VIT.text, layers=1, vocabulary=tokenizer.vocab_size),
    )
    save_checkpoint(folder / "model", small_cris(config), tokenizer, INFERENCE, "# vit\n")
    return folder / "model"


@pytest.mark.parametrize(("format", "patch"), EXPORTS)
def test_every_exported_form_answers_as_the_model(
    tmp_path: Path, prove: Proof, format: Format, patch: int
) -> None:
    model = checkpoint_of(tmp_path, patch)
    export_model(model, tmp_path / "exported", format=format)
    for images, sentences in ((1, 1), (4, 2)):
        assert_answers_alike(tmp_path / "exported", model, images, sentences)
    prove.figure(f"ViT with patches of {patch}, as {format}", "answers as the model")


def noise_with_sentences() -> list[tuple[np.ndarray, str]]:
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
    return [(image, "the red ring") for image in noise]


@pytest.mark.parametrize("format", INT8)
def test_int8_masks_agree_with_the_models(tmp_path: Path, prove: Proof, format: Format) -> None:
    model = checkpoint_of(tmp_path, 16)
    asked = noise_with_sentences()
    result = export_model(
        model, tmp_path / "exported", format=format, precision="int8", calibration=iter(asked)
    )
    assert result.agreement is not None
    assert result.agreement >= 0.99
    plain, smaller = (Segmenter.from_pretrained(each, "cpu") for each in (model, tmp_path / "exported"))
    one, other = (each.predict(*asked[0]).grid for each in (plain, smaller))
    np.testing.assert_allclose(other, one, atol=0.2)
    prove.figure(f"ViT with patches of 16, as {format} in int8: mean IoU of masks", f"{result.agreement:.4f}")


@pytest.fixture
def quantized(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The patterns of what was kept in float32, each time that a graph would have been quantised."""
    kept: list[tuple[str, ...]] = []

    def quantize(graph: Any, samples: Sequence[Inputs], patterns: Sequence[str]) -> Any:
        kept.append(tuple(patterns))
        return graph

    monkeypatch.setattr("cris.export.export.quantize", quantize)
    return kept


def test_int8_whose_logits_are_far_off_keeps_more_in_float32(
    tmp_path: Path, quantized: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 8-bit sums that saturate are on processors without VNNI, however well their masks agree."""
    far_off = iter([{1: 0.51}])

    def differences(*args: Any) -> dict[int, float]:
        return next(far_off, None) or check.differences(*args)

    monkeypatch.setattr("cris.export.export.differences", differences)
    model = checkpoint_of(tmp_path, 16)
    export_model(
        model, tmp_path / "exported", format="onnx", precision="int8", calibration=noise_with_sentences()
    )
    first, second = quantization_steps(load_checkpoint(model).model.image_encoder)[:2]
    assert quantized == [first.picture, first.sentence, second.sentence]


@pytest.mark.usefixtures("quantized")
def test_int8_whose_logits_are_always_far_off_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cris.export.export.differences", lambda *_: {1: 0.51})
    with pytest.raises(InputError, match="logits of int8 differ from those of float32 by more than 50%"):
        export_model(
            checkpoint_of(tmp_path, 16),
            tmp_path / "exported",
            format="onnx",
            precision="int8",
            calibration=noise_with_sentences(),
        )
    assert not (tmp_path / "exported").exists()
