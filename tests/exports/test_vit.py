"""A vision transformer from CLIP's file to a trained model, and in every exported form."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cris import Segmenter, export_model
from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.cli import main
from cris.engines.formats import FORMATS, Format
from cris.model import BACKBONES, InferenceConfig
from cris.model.config import CLIP_VOCABULARY, ClipTextConfig, ClipVitConfig
from cris.model.tokenizer import Tokenizer
from tests.exports.test_export import assert_answers_alike
from tests.fixtures.clip_vit import hugging_face_clip
from tests.fixtures.plugin import IS_FULL_SIZE, Proof
from tests.fixtures.small import SMALL_VIT, small_cris

EVERY = [(format, patch) for format in FORMATS for patch in (16, 14, 32)]
EXPORTS = EVERY if IS_FULL_SIZE else [("openvino", 16), ("onnx", 14), ("pt2", 32)]
"""Exports to make: of every size of patches in every format, or of each size and in each format once."""
INT8 = ["openvino", "onnx"] if IS_FULL_SIZE else ["openvino"]
INFERENCE = InferenceConfig(input_size=96, sentence_length=12)


def checkpoint_of(folder: Path, patch: int) -> Path:
    """A small model with random weights, and patches of that side."""
    tokenizer = Tokenizer().reduced(["the red ring"])
    config = replace(
        SMALL_VIT,
        image=replace(SMALL_VIT.image, patch_size=patch),
        text=replace(SMALL_VIT.text, vocabulary=tokenizer.vocab_size),
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


@pytest.mark.parametrize("format", INT8)
def test_int8_masks_agree_with_the_models(tmp_path: Path, prove: Proof, format: Format) -> None:
    model = checkpoint_of(tmp_path, 16)
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
    result = export_model(
        model,
        tmp_path / "exported",
        format=format,
        precision="int8",
        calibration=[(image, "the red ring") for image in noise],
    )
    assert result.agreement is not None
    assert result.agreement >= 0.99
    plain, smaller = (Segmenter.from_pretrained(each, "cpu") for each in (model, tmp_path / "exported"))
    one, other = (each.predict(noise[0], "the red ring").grid for each in (plain, smaller))
    np.testing.assert_allclose(other, one, atol=0.2)
    prove.figure(f"ViT with patches of 16, as {format} in int8: mean IoU of masks", f"{result.agreement:.4f}")


def test_clips_file_becomes_a_model_that_trains_stops_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(
        SMALL_VIT,
        image=ClipVitConfig(width=64, layers=2, position_grid=3),
        text=ClipTextConfig(vocabulary=CLIP_VOCABULARY, width=64, layers=1),
    )
    monkeypatch.setitem(BACKBONES, "ViT-B-16", config)
    monkeypatch.chdir(tmp_path)
    save_file(dict(hugging_face_clip(config).state_dict()), "clip.safetensors")
    assert main(["convert", "clip", "clip.safetensors", "--out", "start"]) == 0
    assert "CLIP ViT-B-16, untrained" in load_checkpoint("start").card
    scenes = ["--count", "4", "--split", "train", "val", "--size", "96", "--out", "data"]
    assert main(["data", "scenes", *scenes]) == 0

    def train(out: str, steps: int) -> dict[str, torch.Tensor]:
        options = [
            *("--from", "start", "--data", "data", "--out", out, "--max-steps", str(steps), "--resume"),
            *("--sampling.pictures", "2", "--sampling.sentences", "2", "--inference.input-size", "96"),
            *("--log-every", "1", "--validation.samples", "2", "--device", "cpu", "--gradient-checkpointing"),
        ]
        assert main(["train", "finetune", *options]) == 0
        return load_file(f"{out}/checkpoints/last/model.safetensors")

    assert train("straight", 4).keys() == load_checkpoint("start").model.state_dict().keys()
    train("stopped", 2)
    stopped, straight = train("stopped", 4), load_file("straight/checkpoints/last/model.safetensors")
    assert all(stopped[name].equal(straight[name]) for name in straight)
    assert json.loads(Path("straight/config.json").read_text())["optimizer"]["layer_decay"] == 0.8
    begun = load_checkpoint("start").model.state_dict()
    still = {name for name, tensor in straight.items() if tensor.equal(begun[name])}
    assert all(name.endswith("token_embedding.weight") for name in still)
