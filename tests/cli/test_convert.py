import hashlib
import json
import os
import pickle
import runpy
import typing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cris import Segmenter
from cris.checkpoint import load_checkpoint, save_checkpoint
from cris.cli import convert
from cris.model import BACKBONES
from cris.model.config import LITE, InferenceConfig
from cris.model.tokenizer import Tokenizer
from cris.training.recipes import cris_photos
from tests.cli.conftest import Cris
from tests.fixtures.small import SMALL_LITE, small_cris
from tests.fixtures.wordpieces import PIECES
from tests.unit.model.test_convert import TINY, clip_weights, training_checkpoint
from tests.unit.model.test_pretrained import DIM, lite_tensors

SMALL_CLIP = replace(TINY, text=replace(TINY.text, vocabulary=BACKBONES["RN50"].text.vocabulary))


def test_backbones_are_those_of_the_model() -> None:
    assert set(typing.get_args(convert.Backbone)) == BACKBONES.keys()


@pytest.fixture
def released(shared_reference: Path, tmp_path: Path) -> Path:
    """A small checkpoint as the released code saves it."""
    stand_in = runpy.run_path(str(shared_reference / "stand_in_weights.py"))
    path = tmp_path / "best_model.pth"
    torch.save(training_checkpoint(stand_in["state_dict"]("small")), path)
    return path


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights with CLIP's names, of a small model that passes for RN50."""
    monkeypatch.setitem(BACKBONES, "RN50", SMALL_CLIP)
    path = tmp_path / "RN50.pt"
    torch.save(clip_weights(SMALL_CLIP), path)
    return path


def test_released_checkpoint_becomes_a_model_that_segments(released: Path, cris: Cris, image: Path) -> None:
    outcome = cris("convert", "released", released, "--out", "model", "--sentence-length", "22")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("model: ")
    checkpoint = load_checkpoint("model")
    assert checkpoint.inference == InferenceConfig(protocol="released", sentence_length=22)
    assert "best_model.pth" in checkpoint.card
    assert cris("segment", image, "the red ring", "--model", "model").code == 0


def test_clip_becomes_a_model_that_must_be_trained(clip: Path, cris: Cris) -> None:
    outcome = cris("convert", "clip", clip, "--out", "model")
    assert (outcome.code, outcome.err) == (0, "")
    checkpoint = load_checkpoint("model")
    for words in (outcome.out, checkpoint.card):
        assert "must be trained before it finds anything" in words
    theirs = clip_weights(SMALL_CLIP)["text_projection"].float()
    torch.testing.assert_close(checkpoint.model.text_encoder.projection.data, theirs, rtol=0, atol=0)
    assert Segmenter.from_pretrained("model", "cpu").inference == InferenceConfig()


def test_random_parts_come_out_alike(clip: Path, cris: Cris) -> None:
    for name in ("one", "other"):
        assert cris("convert", "clip", clip, "--out", name).code == 0
    one, other = (load_checkpoint(name).model.state_dict() for name in ("one", "other"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_checkpoint_is_replaced_only_when_asked(clip: Path, cris: Cris) -> None:
    assert cris("convert", "clip", clip, "--out", "model").code == 0
    assert cris("convert", "clip", clip, "--out", "model").is_short_error()
    printed = json.loads(cris("convert", "clip", clip, "--out", "model", "--overwrite", "--json").out)
    count = sum(each.numel() for each in load_checkpoint("model").model.parameters())
    assert printed == {"out": "model", "parameters": count}


class Hostile:
    """Runs a command when it is unpickled without care."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch harmed",)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with the encoders of cris-photos, whose text encoder is taken."""
    tokenizer = Tokenizer.from_word_pieces(PIECES)
    config = replace(
        SMALL_LITE, joint_dim=DIM, text=replace(SMALL_LITE.text, vocabulary=tokenizer.vocab_size)
    )
    folder = tmp_path_factory.mktemp("reader") / "model"
    save_checkpoint(folder, small_cris(config), tokenizer, InferenceConfig(input_size=64), "# reader\n")
    return folder


def test_an_imagenet_encoder_joins_the_text_encoder_of_a_model(
    cris: Cris, reader: Path, tmp_path: Path, image: Path
) -> None:
    tensors = lite_tensors("Lite1")
    torch.save(tensors, tmp_path / "lite1.pth")
    outcome = cris("convert", "imagenet", "lite1.pth", "--text", reader, "--out", "model")
    assert (outcome.code, outcome.err) == (0, "")
    checkpoint, taken = load_checkpoint("model"), load_checkpoint(reader)
    digest = hashlib.sha256((tmp_path / "lite1.pth").read_bytes()).hexdigest()
    for words in ("EfficientNet-Lite1", convert.UNTRAINED, "lite1.pth", digest, str(reader)):
        assert words in checkpoint.card
    assert convert.UNTRAINED in outcome.out
    recipe = cris_photos()
    assert checkpoint.inference == recipe.inference
    assert checkpoint.model.config == replace(
        recipe.model, joint_dim=DIM, image=LITE["Lite1"], text=taken.model.config.text
    )
    assert checkpoint.tokenizer.pieces == taken.tokenizer.pieces
    ours = checkpoint.model.state_dict()
    assert ours["image_encoder.head.conv.weight"].equal(tensors["_conv_head.weight"])
    for name, tensor in taken.model.text_encoder.state_dict().items():
        assert ours[f"text_encoder.{name}"].equal(tensor), name
    assert cris("segment", image, "the red dog", "--model", "model").code == 0


def test_parts_beside_an_imagenet_encoder_come_out_alike(cris: Cris, reader: Path, tmp_path: Path) -> None:
    save_file(lite_tensors("Lite0"), tmp_path / "lite0.safetensors")
    for name in ("one", "other"):
        assert cris("convert", "imagenet", "lite0.safetensors", "--text", reader, "--out", name).code == 0
    one, other = (Path(name, "model.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other


def test_a_text_encoder_of_another_width_is_refused(cris: Cris, checkpoint: Path, tmp_path: Path) -> None:
    save_file(lite_tensors("Lite0"), tmp_path / "lite0.safetensors")
    outcome = cris("convert", "imagenet", "lite0.safetensors", "--text", checkpoint, "--out", "model")
    assert outcome.is_short_error()
    assert f"--text must name a model whose joint space has {DIM} channels" in outcome.err
    assert not Path("model").exists()


@pytest.mark.parametrize("kind", ["released", "clip", "imagenet"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.pth", None),
        ("empty.pth", b""),
        ("text.pth", b"not weights"),
        ("text.safetensors", b"not weights"),
        ("hostile.pth", pickle.dumps({"state_dict": Hostile()}, protocol=2)),
        ("hostile.pth", pickle.dumps({"state_dict": Hostile()}, protocol=5)),
    ],
    ids=["missing", "empty", "text", "safetensors", "hostile", "hostile, newer"],
)
def test_bad_file_is_one_line_and_writes_nothing(
    kind: str, name: str, content: bytes | None, cris: Cris, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    outcome = cris("convert", kind, name, "--out", "model")
    assert outcome.is_short_error()
    assert name in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ([] if content is None else [name])


@pytest.mark.parametrize("kind", ["released", "clip", "imagenet"])
def test_weights_of_another_model_are_named_and_write_nothing(kind: str, cris: Cris, tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(3)}, tmp_path / "other.pth")
    outcome = cris("convert", kind, "other.pth", "--out", "model")
    assert outcome.is_short_error()
    assert "other.pth" in outcome.err
    assert not Path("model").exists()


@pytest.mark.parametrize("kind", ["released", "clip", "imagenet"])
def test_folder_is_no_file_of_weights(kind: str, cris: Cris) -> None:
    outcome = cris("convert", kind, ".", "--out", "model")
    assert outcome.is_short_error()
    assert "folder" in outcome.err


def test_unknown_backbone_is_wrong_use(cris: Cris) -> None:
    assert cris("convert", "clip", "RN50.pt", "--out", "model", "--model", "ViT-B/32").code == 2


def test_folder_that_cannot_be_written_is_one_line(clip: Path, cris: Cris) -> None:
    Path("file").touch()
    assert cris("convert", "clip", clip, "--out", "file").is_short_error()
    assert cris("convert", "clip", clip, "--out", "file/model").is_short_error()
