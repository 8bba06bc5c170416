"""CLIP's vision transformers against transformers' own, from files in every naming."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from cris.errors import InputError
from cris.model import BACKBONES, Cris, build_cris
from cris.model.clip_vit import ClipVit
from cris.model.config import ClipTextConfig, ClipVitConfig, DecoderConfig
from cris.model.convert import load_clip
from tests.conftest import Proof
from tests.fixtures.clip_vit import Archived, custom_text_names, hugging_face_clip, openai_names
from tests.fixtures.small import random_tokens
from tests.unit.model.test_convert import TINY, clip_weights

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

TINY_VIT = replace(
    TINY,
    image=ClipVitConfig(width=128, layers=2, position_grid=3),
    text=ClipTextConfig(vocabulary=600, width=64, layers=2),
)


@pytest.fixture(scope="module")
def hugging_face() -> dict[str, Tensor]:
    return dict(hugging_face_clip(TINY_VIT).state_dict())


@pytest.fixture(scope="module")
def openai(hugging_face: dict[str, Tensor]) -> dict[str, Tensor]:
    return openai_names(hugging_face, layers=2, text_layers=2)


def tokens_of_every_layer(encoder: ClipVit, images: Tensor) -> list[Tensor]:
    """What comes out of the embedding and of each layer while an image is encoded."""
    seen: list[Tensor] = []
    parts = encoder.blocks[:-1]
    hooks = [part.register_forward_hook(lambda _, given, out: seen.append(out)) for part in parts]
    encoder(images)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("size", [224, 416])
@pytest.mark.parametrize(("patch", "grid"), [(16, 14), (32, 7), (14, 16)])
@torch.no_grad()
def test_tokens_of_every_layer_are_those_of_transformers(
    tmp_path: Path, prove: Proof, patch: int, grid: int, size: int
):
    config = replace(TINY_VIT, image=ClipVitConfig(patch_size=patch, width=128, layers=2, position_grid=grid))
    if prove.is_full:
        config = BACKBONES[{16: "ViT-B-16", 32: "ViT-B-32", 14: "ViT-L-14"}[patch]]
        config = replace(config, decoder=DecoderConfig(layers=0))
    theirs = hugging_face_clip(config)
    save_file(dict(theirs.state_dict()), tmp_path / "model.safetensors")
    encoder = load_clip(tmp_path / "model.safetensors", config).eval().image_encoder
    images = torch.randn(1, 3, size, size)
    # patches of 14 see the image at 14/16 of its sides, and transformers is given what they see
    seen = images if patch != 14 else F.interpolate(images, (size // 16 * 14,) * 2, mode="bicubic")
    expected = theirs.vision_model(seen, output_hidden_states=True, interpolate_pos_encoding=True)
    found = tokens_of_every_layer(encoder, images)
    assert len(found) == config.image.layers + 1 == len(expected.hidden_states)
    for ours, other in zip(found, expected.hidden_states, strict=True):
        assert other.std() > 0.1
        torch.testing.assert_close(ours, other, atol=1e-4, rtol=1e-4)
    worst = max(float((a - b).abs().max()) for a, b in zip(found, expected.hidden_states, strict=True))
    prove.figure(f"patches of {patch} at {size}: largest difference of tokens from transformers", worst)


@torch.no_grad()
def test_sentences_and_the_joint_space_are_those_of_transformers(
    tmp_path: Path, hugging_face: dict[str, Tensor]
):
    save_file(hugging_face, tmp_path / "model.safetensors")
    model, theirs = load_clip(tmp_path / "model.safetensors", TINY_VIT).eval(), hugging_face_clip(TINY_VIT)
    tokens = random_tokens([3, 9], 17)
    words = theirs.text_model(input_ids=tokens)
    ours, sentence = model.text_encoder(tokens)
    torch.testing.assert_close(ours, words.last_hidden_state, atol=1e-4, rtol=1e-4)
    expected = theirs.text_projection(words.pooler_output)
    torch.testing.assert_close(sentence, expected, atol=1e-4, rtol=1e-4)
    images = torch.randn(1, 3, 64, 96)
    model.image_encoder.pyramid.down.norm.weight.zero_()
    last = theirs.vision_model(images, interpolate_pos_encoding=True).last_hidden_state[:, 1:]
    joint = theirs.visual_projection(theirs.vision_model.post_layernorm(last)).mT.unflatten(2, (4, 6))
    c5 = model.image_encoder(images)[2]
    torch.testing.assert_close(c5, F.avg_pool2d(joint, 2), atol=1e-4, rtol=1e-4)


def is_clips(key: str) -> bool:
    fresh = ("image_encoder.pyramid.up", "image_encoder.pyramid.down")
    return key.startswith(("image_encoder", "text_encoder")) and not key.startswith(fresh)


def assert_holds(model: Cris, tensors: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Every tensor of the encoders is one of CLIP's, and none of CLIP's is left out."""
    ours = {key: tensor for key, tensor in model.state_dict().items() if is_clips(key)}
    used = [tensor for key, tensor in tensors.items() if key != "logit_scale"]
    assert sum(map(torch.numel, ours.values())) == sum(map(torch.numel, used))
    layer = "encoder.layers.1"
    same = {
        "image_encoder.stem.positions": theirs["vision_model.embeddings.position_embedding.weight"],
        "image_encoder.layers.1.attention.key.weight": theirs[
            f"vision_model.{layer}.self_attn.k_proj.weight"
        ],
        "image_encoder.layers.1.mlp.2.bias": theirs[f"vision_model.{layer}.mlp.fc2.bias"],
        "image_encoder.pyramid.projection.weight": theirs["visual_projection.weight"],
        "text_encoder.blocks.1.attention.value.bias": theirs[f"text_model.{layer}.self_attn.v_proj.bias"],
        "text_encoder.projection": theirs["text_projection.weight"].T,
    }
    for key, tensor in same.items():
        assert torch.equal(ours[key], tensor), key
    total = sum(tensor.double().sum() for tensor in ours.values())
    torch.testing.assert_close(total, sum(tensor.double().sum() for tensor in used))


@pytest.mark.parametrize(
    "naming", ["OpenAI's archive", "open_clip", "open_clip, custom text", "Hugging Face"]
)
def test_weights_in_every_naming_fill_both_encoders(
    tmp_path: Path, hugging_face: dict[str, Tensor], openai: dict[str, Tensor], naming: str
):
    if naming == "OpenAI's archive":
        path, tensors = tmp_path / "ViT-B-16.pt", openai
        torch.jit.save(torch.jit.trace(Archived(openai), torch.ones(1)), path)
    elif naming == "Hugging Face":
        path = tmp_path / "model.safetensors"
        ids = {f"{part}_model.embeddings.position_ids": torch.arange(9)[None] for part in ("vision", "text")}
        tensors = hugging_face
        save_file(hugging_face | ids, path)
    else:
        path = tmp_path / "open_clip_pytorch_model.bin"
        tensors = custom_text_names(openai) if "custom" in naming else openai
        torch.save(tensors, path)
    assert_holds(load_clip(path, TINY_VIT), tensors, hugging_face)


def test_a_tensor_that_is_missing_or_too_many_is_named(tmp_path: Path, openai: dict[str, Tensor]):
    tensors = {**openai, "visual.extra": torch.ones(1)}
    del tensors["visual.transformer.resblocks.1.attn.in_proj_bias"]
    torch.save(tensors, tmp_path / "vit.pt")
    with pytest.raises(
        InputError, match=r"1 missing \(visual\.\S+in_proj_bias\); 1 unexpected \(visual\.extra"
    ):
        load_clip(tmp_path / "vit.pt", TINY_VIT)


def test_positions_for_other_images_are_kept(tmp_path: Path, openai: dict[str, Tensor]):
    torch.save(openai, tmp_path / "vit.pt")
    config = replace(TINY_VIT, image=replace(TINY_VIT.image, position_grid=14))
    assert load_clip(tmp_path / "vit.pt", config).config.image.position_grid == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": 32}, r"needs clip_vit: patch_size must be 32, got 16"),
        ({"layers": 3}, r"layers must be 3, got 2"),
        ({"width": 192}, r"width must be 192, got 128"),
    ],
)
def test_another_vision_transformer_is_refused_by_the_field(
    tmp_path: Path, openai: dict[str, Tensor], change: dict[str, int], message: str
):
    torch.save(openai, tmp_path / "vit.pt")
    with pytest.raises(InputError, match=message) as error:
        load_clip(tmp_path / "vit.pt", replace(TINY_VIT, image=replace(TINY_VIT.image, **change)))
    assert "\n" not in str(error.value)
    assert "vit.pt" in str(error.value)


def test_a_resnet_is_no_vision_transformer_and_the_other_way_round(tmp_path: Path, openai: dict[str, Tensor]):
    torch.save(openai, tmp_path / "vit.pt")
    torch.save(clip_weights(TINY), tmp_path / "resnet.pt")
    with pytest.raises(InputError, match="kind must be clip_resnet, got clip_vit"):
        load_clip(tmp_path / "vit.pt", TINY)
    with pytest.raises(InputError, match="the model needs ViT-B-16: kind must be clip_vit, got clip_resnet"):
        load_clip(tmp_path / "resnet.pt", BACKBONES["ViT-B-16"])


def test_without_a_configuration_the_file_tells_its_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openai: dict[str, Tensor]
):
    torch.save(openai, tmp_path / "vit.pt")
    with pytest.raises(InputError, match=r"must have the sizes of one of RN50, .*patch_size=16, width=128"):
        load_clip(tmp_path / "vit.pt")
    monkeypatch.setitem(BACKBONES, "ViT-B-16", TINY_VIT)
    assert load_clip(tmp_path / "vit.pt").config == TINY_VIT
    torch.save({"fc.weight": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"must hold CLIP's weights: 'visual\.conv1\.weight' is missing"):
        load_clip(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("name", "millions"),
    [("ViT-B-32", 87.85), ("ViT-B-16", 86.19), ("ViT-L-14", 303.97), ("ViT-L-14-336px", 304.29)],
)
def test_parameters_are_those_that_open_clip_lists(name: str, millions: float):
    with torch.device("meta"):
        encoder = build_cris(BACKBONES[name]).image_encoder
    counts = {key: each.numel() for key, each in encoder.named_parameters()}
    fresh = sum(count for key, count in counts.items() if key.startswith(("pyramid.up", "pyramid.down")))
    assert round((sum(counts.values()) - fresh) / 1e6, 2) == millions


@pytest.mark.parametrize("patch", [14, 16, 32])
@pytest.mark.parametrize("size", [(32, 32), (96, 64), (416, 32)])
@torch.no_grad()
def test_any_size_divisible_by_32_gives_strides_of_8_16_and_32(patch: int, size: tuple[int, int]):
    image = ClipVitConfig(patch_size=patch, width=64, layers=1, position_grid=2)
    height, width = size
    shapes = [tuple(each.shape[2:]) for each in ClipVit(image, 32).eval()(torch.randn(1, 3, *size))]
    assert shapes == [(height // stride, width // stride) for stride in (8, 16, 32)]
