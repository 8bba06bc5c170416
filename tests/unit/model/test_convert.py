import importlib.util
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cris.model import CrisConfig, build_cris
from cris.model.config import (
    ClipResnetConfig,
    ClipTextConfig,
    DecoderConfig,
    NeckConfig,
    ProjectorConfig,
)
from cris.model.convert import CLIP_UNUSED, load_clip, load_released

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

TINY = CrisConfig(
    joint_dim=64,
    image=ClipResnetConfig(layers=(1, 2, 1, 1), stem=(4, 4, 8), width=8, position_grid=2),
    text=ClipTextConfig(vocabulary=600, width=64, layers=2),
    neck=NeckConfig(fine=32, middle=64, coarse=128),
    decoder=DecoderConfig(layers=1, ffn=128),
    projector=ProjectorConfig(hidden=64, dim=32),
)


@pytest.fixture(scope="session")
def stand_in(shared_reference: Path) -> ModuleType:
    """The script beside the reference numbers that rebuilds checkpoints of the released code."""
    spec = importlib.util.spec_from_file_location("stand_in", shared_reference / "stand_in_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def training_checkpoint(weights: Mapping[str, Tensor]) -> dict[str, object]:
    """What the released training script saves around the weights."""
    return {
        "epoch": 50,
        "cur_iou": np.float64(0.69),
        "best_iou": np.float64(0.7),
        "prec": {"Pr@50": np.float64(0.8)},
        "state_dict": {f"module.{name}": tensor for name, tensor in weights.items()},
    }


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_released_checkpoint_gives_the_released_logits(
    stand_in: ModuleType, shared_reference: Path, tmp_path: Path, is_wrapped: bool
) -> None:
    weights = stand_in.state_dict("small")
    path = tmp_path / "best_model.pth"
    torch.save(training_checkpoint(weights) if is_wrapped else weights, path)
    model = load_released(path)
    assert not model.training
    assert model.config.padding == "zero_id"
    assert model.config.decoder.heads == 8
    reference = np.load(shared_reference / "small_model.npz")
    with torch.no_grad():
        logits = model(
            torch.from_numpy(reference["images"]), torch.from_numpy(reference["tokens"]).long()
        ).logits
    difference = np.linalg.norm(logits.numpy() - reference["logits"])
    assert difference <= 1e-4 * np.linalg.norm(reference["logits"])


@pytest.mark.parametrize(
    ("variant", "millions", "layers"),
    [("r50", 146.85, (3, 4, 6, 3)), ("r101", 161.25, (3, 4, 23, 3))],
)
def test_released_sizes_are_read_from_shapes(
    stand_in: ModuleType, tmp_path: Path, variant: str, millions: float, layers: tuple[int, ...]
) -> None:
    # one stored number per tensor, repeated: the file is small and its shapes are the real ones
    weights = {name: torch.full((), 0.5).expand(shape) for name, shape in stand_in.KEYS[variant].items()}
    torch.save(training_checkpoint(weights), tmp_path / "best_model.pth")
    model = load_released(tmp_path / "best_model.pth")
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions
    assert model.config.image.layers == layers
    assert model.config.image.heads == 32
    assert model.config.text.heads == 8
    assert all(bool((parameter == 0.5).all()) for parameter in model.parameters())


def changed(weights: dict[str, Tensor], **changes: Tensor | None) -> dict[str, Tensor]:
    merged = weights | {name.replace("__", "."): tensor for name, tensor in changes.items()}
    return {name: tensor for name, tensor in merged.items() if tensor is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neck__aggr__0__weight": None}, r"1 missing \(neck\.aggr\.0\.weight\)"),
        ({"neck__extra": torch.ones(1)}, r"1 unexpected \(neck\.extra\)"),
        ({"neck__aggr__1__bias": torch.ones(3)}, r"1 misshapen \(neck\.aggr\.1\.bias \(3,\)\)"),
        (
            {"decoder__layers__0__self_attn__in_proj_weight": torch.ones(())},
            r"misshapen \(decoder\.layers\.0\.self_attn\.in_proj_weight \(\)\)",
        ),
        ({"backbone__visual__attnpool__positional_embedding": torch.ones(7, 256)}, "misshapen"),
        ({"proj__vis__4__weight": None}, r"'proj\.vis\.4\.weight' is missing or misshapen"),
        ({"proj__txt__weight": torch.ones(())}, r"'proj\.txt\.weight' is missing or misshapen"),
        ({"proj__txt__weight": torch.ones(32 * 25 + 1, 64)}, r"'proj\.txt\.weight' is missing or misshapen"),
        ({"proj__vis__4__weight": torch.ones(0)}, "missing or misshapen"),
    ],
)
def test_released_tensor_that_does_not_fit_is_named(
    stand_in: ModuleType, tmp_path: Path, changes: dict[str, Tensor | None], message: str
) -> None:
    torch.save(changed(stand_in.state_dict("small"), **changes), tmp_path / "model.pth")
    with pytest.raises(ValueError, match=message) as error:
        load_released(tmp_path / "model.pth")
    assert "model.pth" in str(error.value)


def test_many_missing_tensors_are_counted_and_the_first_ones_named(
    stand_in: ModuleType, tmp_path: Path
) -> None:
    weights = stand_in.state_dict("small")
    torch.save({name: weights[name] for name in weights if "coordconv" not in name}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"10 missing \((neck\.coordconv\S+, ){3}…\)"):
        load_released(tmp_path / "model.pth")


def test_a_clip_file_is_no_released_checkpoint(tmp_path: Path) -> None:
    torch.save(clip_weights(TINY), tmp_path / "RN50.pt")
    with pytest.raises(ValueError, match=r"RN50\.pt is no checkpoint of the released code"):
        load_released(tmp_path / "RN50.pt")


class ClipAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.randn(3 * width))
        self.out_proj = nn.Linear(width, width)


class ClipBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = ClipAttention(width)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Module()
        self.mlp.c_fc, self.mlp.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)


class ClipBottleneck(nn.Module):
    def __init__(self, channels_in: int, channels: int, is_first: bool) -> None:
        super().__init__()
        sizes = [(channels_in, channels, 1), (channels, channels, 3), (channels, 4 * channels, 1)]
        for index, (before, after, kernel) in enumerate(sizes, start=1):
            setattr(self, f"conv{index}", nn.Conv2d(before, after, kernel, bias=False))
            setattr(self, f"bn{index}", nn.BatchNorm2d(after))
        if is_first:
            convolution = nn.Conv2d(channels_in, 4 * channels, 1, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * channels))


class ClipPool(nn.Module):
    def __init__(self, config: CrisConfig) -> None:
        super().__init__()
        channels = config.image.channels[-1]
        self.positional_embedding = nn.Parameter(torch.randn(config.image.position_grid**2 + 1, channels))
        self.q_proj, self.k_proj = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.v_proj, self.c_proj = nn.Linear(channels, channels), nn.Linear(channels, config.joint_dim)


class ClipVisual(nn.Module):
    def __init__(self, config: CrisConfig) -> None:
        super().__init__()
        width = config.image.width
        sizes = [3, width // 2, width // 2, width]
        for index, (before, after) in enumerate(itertools.pairwise(sizes), start=1):
            setattr(self, f"conv{index}", nn.Conv2d(before, after, 3, bias=False))
            setattr(self, f"bn{index}", nn.BatchNorm2d(after))
        channels_in = width
        for stage, count in enumerate(config.image.layers):
            blocks = []
            for position in range(count):
                blocks.append(ClipBottleneck(channels_in, width * 2**stage, position == 0))
                channels_in = 4 * width * 2**stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.attnpool = ClipPool(config)


class Clip(nn.Module):
    """Has the modules and names of OpenAI's CLIP; computes nothing."""

    def __init__(self, config: CrisConfig) -> None:
        super().__init__()
        text = config.text
        self.visual = ClipVisual(config)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.Sequential(*(ClipBlock(text.width) for _ in range(text.layers)))
        self.token_embedding = nn.Embedding(text.vocabulary, text.width)
        self.positional_embedding = nn.Parameter(torch.randn(text.context_length, text.width))
        self.ln_final = nn.LayerNorm(text.width)
        self.text_projection = nn.Parameter(torch.randn(text.width, config.joint_dim))
        self.logit_scale = nn.Parameter(torch.ones([]))
        for name in ("input_resolution", "context_length", "vocab_size"):
            self.register_buffer(name, torch.tensor(64))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.logit_scale


def clip_weights(config: CrisConfig) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(Clip(config).half().state_dict())


def save_archive(path: Path) -> None:
    torch.manual_seed(0)
    torch.jit.save(torch.jit.trace(Clip(TINY).eval(), torch.ones(1)).half(), path)


def is_clips(key: str) -> bool:
    return key.startswith(("image_encoder", "text_encoder")) and ".residual." not in key


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("RN50.pt", save_archive),
        ("RN50.pth", lambda path: torch.save(clip_weights(TINY), path)),
        ("RN50.safetensors", lambda path: save_file(clip_weights(TINY), path)),
        ("epoch_32.pt", lambda path: torch.save(training_checkpoint(clip_weights(TINY)), path)),
    ],
)
def test_clips_weights_go_into_the_encoders_as_float32(
    tmp_path: Path, name: str, save: Callable[[Path], None]
) -> None:
    save(tmp_path / name)
    theirs = {key: tensor.float() for key, tensor in clip_weights(TINY).items()}
    model = load_clip(tmp_path / name, TINY)
    assert model.config == TINY
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())

    ours = model.state_dict()
    attention = "transformer.resblocks.1.attn"
    same = {
        "image_encoder.stem.1.conv.weight": theirs["visual.conv2.weight"],
        "image_encoder.stem.2.norm.running_var": theirs["visual.bn3.running_var"],
        "image_encoder.stages.1.1.spatial.conv.weight": theirs["visual.layer2.1.conv2.weight"],
        "image_encoder.stages.1.0.shortcut.conv.weight": theirs["visual.layer2.0.downsample.0.weight"],
        "image_encoder.attention_pool.attention.key.bias": theirs["visual.attnpool.k_proj.bias"],
        "text_encoder.blocks.1.mlp.2.weight": theirs["transformer.resblocks.1.mlp.c_proj.weight"],
        "text_encoder.blocks.1.attention.query.weight": theirs[f"{attention}.in_proj_weight"][:64],
        "text_encoder.blocks.1.attention.value.bias": theirs[f"{attention}.in_proj_bias"][128:],
        "text_encoder.projection": theirs["text_projection"],
    }
    for key, tensor in same.items():
        assert torch.equal(ours[key], tensor), key
    # the positional embedding is row-major and its first row, the class token's, is dropped
    positions = theirs["visual.attnpool.positional_embedding"]
    assert torch.equal(ours["image_encoder.attention_pool.positions"][:, 1, 0], positions[1 + 2])
    # all else came over too
    used = [tensor.double() for key, tensor in theirs.items() if key not in CLIP_UNUSED]
    filled = [tensor.double() for key, tensor in ours.items() if is_clips(key)]
    filled.append(positions[0].double())
    assert sum(map(torch.numel, filled)) == sum(map(torch.numel, used))
    torch.testing.assert_close(sum(map(torch.sum, filled)), sum(map(torch.sum, used)))


def test_what_clip_lacks_starts_fresh(tmp_path: Path) -> None:
    torch.save(clip_weights(TINY), tmp_path / "RN50.pt")
    torch.manual_seed(7)
    fresh = build_cris(TINY).state_dict()
    torch.manual_seed(7)
    loaded = load_clip(tmp_path / "RN50.pt", TINY).state_dict()
    for key in ("neck.coarse.conv.weight", "image_encoder.attention_pool.residual.conv.weight"):
        assert torch.equal(loaded[key], fresh[key])


def test_positional_embedding_for_other_images_is_kept(tmp_path: Path) -> None:
    larger = replace(TINY, image=replace(TINY.image, position_grid=3))
    torch.save(clip_weights(larger), tmp_path / "RN50.pt")
    model = load_clip(tmp_path / "RN50.pt", TINY).eval()
    assert model.config == larger
    assert model(torch.zeros(1, 3, 64, 96), torch.tensor([[598, 5, 599]])).logits.shape == (1, 1, 16, 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ln_final__bias": None}, r"1 missing \(ln_final\.bias\)"),
        ({"visual__proj": torch.ones(2)}, r"1 unexpected \(visual\.proj\)"),
        ({"token_embedding__weight": torch.ones(49408, 64)}, r"1 misshapen \(token_embedding\.weight"),
    ],
)
def test_clip_tensor_that_does_not_fit_is_named(
    tmp_path: Path, changes: dict[str, Tensor | None], message: str
) -> None:
    torch.save(changed(clip_weights(TINY), **changes), tmp_path / "RN50.pt")
    with pytest.raises(ValueError, match=message):
        load_clip(tmp_path / "RN50.pt", TINY)


def test_batch_norms_counters_may_be_absent(tmp_path: Path) -> None:
    weights = clip_weights(TINY)
    counters = dict.fromkeys(key.replace(".", "__") for key in weights if key.endswith("num_batches_tracked"))
    torch.save(changed(weights, **counters), tmp_path / "RN50.pt")
    load_clip(tmp_path / "RN50.pt", TINY)


def test_clip_of_another_size_is_refused(tmp_path: Path) -> None:
    torch.save(clip_weights(TINY), tmp_path / "RN50.pt")
    deeper = replace(TINY, image=replace(TINY.image, layers=(1, 2, 2, 1)))
    with pytest.raises(ValueError, match=r"layers must be \(1, 2, 2, 1\), got \(1, 2, 1, 1\)"):
        load_clip(tmp_path / "RN50.pt", deeper)
