"""Conversion of weights from elsewhere: CLIP's, and those that the released CRIS code saves."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from cris.errors import InputError
from cris.model.build import build_cris
from cris.model.config import (
    ClipResnetConfig,
    ClipTextConfig,
    CrisConfig,
    DecoderConfig,
    NeckConfig,
    ProjectorConfig,
)
from cris.model.cris import Cris
from cris.model.safe_load import read_tensors
from cris.model.state_dict import TensorSource, load_tensors


def _third(key: str, index: int) -> TensorSource:
    """Return one of the query, key and value that torch's attention keeps in a single tensor."""
    return TensorSource(key, lambda tensor: tensor.chunk(3)[index])


def _without_class_token(
    positions: Float[Tensor, "tokens channels"],
) -> Float[Tensor, "channels grid grid"]:
    side = math.isqrt(len(positions) - 1)
    return positions[1:].T.reshape(-1, side, side)


def _attention(ours: str, theirs: str) -> dict[str, TensorSource]:
    rows = {f"{ours}.output.*": TensorSource(f"{theirs}.out_proj.*")}
    for index, part in enumerate(("query", "key", "value")):
        rows[f"{ours}.{part}.weight"] = _third(f"{theirs}.in_proj_weight", index)
        rows[f"{ours}.{part}.bias"] = _third(f"{theirs}.in_proj_bias", index)
    return rows


def _conv_norm(ours: str, theirs: str) -> dict[str, TensorSource]:
    return {f"{ours}.conv.*": TensorSource(f"{theirs}.0.*"), f"{ours}.norm.*": TensorSource(f"{theirs}.1.*")}


def _same(rows: Mapping[str, str]) -> dict[str, TensorSource]:
    return {f"{ours}.*": TensorSource(f"{theirs}.*") for ours, theirs in rows.items()}


_BOTTLENECK = {
    "reduce.conv": "conv1",
    "reduce.norm": "bn1",
    "spatial.conv": "conv2",
    "spatial.norm": "bn2",
    "expand.conv": "conv3",
    "expand.norm": "bn3",
    "shortcut.conv": "downsample.0",
    "shortcut.norm": "downsample.1",
}

CLIP: dict[str, TensorSource] = {
    **_same({f"image_encoder.stem.{i}.conv": f"visual.conv{i + 1}" for i in range(3)}),
    **_same({f"image_encoder.stem.{i}.norm": f"visual.bn{i + 1}" for i in range(3)}),
    **_same(
        {
            f"image_encoder.stages.{i}.*.{ours}": f"visual.layer{i + 1}.*.{theirs}"
            for i in range(4)
            for ours, theirs in _BOTTLENECK.items()
        }
    ),
    "image_encoder.attention_pool.positions": TensorSource(
        "visual.attnpool.positional_embedding", _without_class_token
    ),
    **_same(
        {
            "image_encoder.attention_pool.attention.query": "visual.attnpool.q_proj",
            "image_encoder.attention_pool.attention.key": "visual.attnpool.k_proj",
            "image_encoder.attention_pool.attention.value": "visual.attnpool.v_proj",
            "image_encoder.attention_pool.attention.output": "visual.attnpool.c_proj",
            "text_encoder.token_embedding": "token_embedding",
            "text_encoder.blocks.*.attention_norm": "transformer.resblocks.*.ln_1",
            "text_encoder.blocks.*.mlp_norm": "transformer.resblocks.*.ln_2",
            "text_encoder.blocks.*.mlp.0": "transformer.resblocks.*.mlp.c_fc",
            "text_encoder.blocks.*.mlp.2": "transformer.resblocks.*.mlp.c_proj",
            "text_encoder.norm": "ln_final",
        }
    ),
    **_attention("text_encoder.blocks.*.attention", "transformer.resblocks.*.attn"),
    "text_encoder.positions": TensorSource("positional_embedding"),
    "text_encoder.projection": TensorSource("text_projection"),
}
"""Our tensors → their place in OpenAI's CLIP; a star stands for one part of a name."""

CLIP_UNUSED = {"logit_scale", "input_resolution", "context_length", "vocab_size"}

RELEASED: dict[str, TensorSource] = {
    **{ours: TensorSource(f"backbone.{source.key}", source.read) for ours, source in CLIP.items()},
    **_conv_norm("image_encoder.attention_pool.residual", "backbone.visual.attnpool.connect"),
    **_same({"neck.sentence": "neck.txt_proj.0", "neck.sentence_norm": "neck.txt_proj.1"}),
    **_conv_norm("neck.coarse", "neck.f1_v_proj"),
    **_same({"neck.coarse_norm": "neck.norm_layer.0"}),
    **_conv_norm("neck.middle", "neck.f2_v_proj"),
    **_conv_norm("neck.middle_fusion", "neck.f2_cat"),
    **_conv_norm("neck.fine", "neck.f3_v_proj"),
    **_conv_norm("neck.fine_fusion", "neck.f3_cat"),
    **_conv_norm("neck.coarse_output", "neck.f4_proj5"),
    **_conv_norm("neck.middle_output", "neck.f4_proj4"),
    **_conv_norm("neck.fine_output", "neck.f4_proj3"),
    **_conv_norm("neck.aggregation", "neck.aggr"),
    **_conv_norm("neck.coordinates", "neck.coordconv.0.conv1"),
    **_conv_norm("neck.refinement", "neck.coordconv.1"),
    **_attention("decoder.layers.*.self_attention", "decoder.layers.*.self_attn"),
    **_attention("decoder.layers.*.cross_attention", "decoder.layers.*.multihead_attn"),
    **_same(
        {
            "decoder.layers.*.self_input_norm": "decoder.layers.*.norm1",
            "decoder.layers.*.self_output_norm": "decoder.layers.*.self_attn_norm",
            "decoder.layers.*.cross_input_norm": "decoder.layers.*.norm2",
            "decoder.layers.*.cross_output_norm": "decoder.layers.*.cross_attn_norm",
            "decoder.layers.*.feed_forward_norm": "decoder.layers.*.norm3",
            "decoder.layers.*.feed_forward.expand": "decoder.layers.*.ffn.0",
            "decoder.layers.*.feed_forward.norm": "decoder.layers.*.ffn.3",
            "decoder.layers.*.feed_forward.reduce": "decoder.layers.*.ffn.4",
            "decoder.norm": "decoder.norm",
        }
    ),
    **_conv_norm("projector.first", "proj.vis.1"),
    **_conv_norm("projector.second", "proj.vis.3"),
    **_same({"projector.pixels": "proj.vis.4", "projector.text": "proj.txt"}),
}
"""Our tensors → their place in the released code's checkpoints."""

RELEASED_UNUSED = {"backbone.logit_scale"}


def load_clip(path: str | Path, config: CrisConfig) -> Cris:
    """Return a model with CLIP's weights in its encoders, as float32; everything after them is fresh.

    Reads OpenAI's TorchScript archives, plain state dicts and safetensors, and runs no code from them. A
    positional embedding made for images of another size is kept as it is: the attention pool resizes it.
    Raises InputError naming the tensors that do not fit.
    """
    tensors = read_tensors(path)
    positions = tensors.get("visual.attnpool.positional_embedding")
    if not isinstance(config.image, ClipResnetConfig):
        raise InputError(f"{path} is for a CLIP ResNet, and the model's image encoder is {config.image.kind}")
    if positions is not None and positions.ndim == 2:
        grid = math.isqrt(max(len(positions) - 1, 1))
        config = replace(config, image=replace(config.image, position_grid=grid))
    model = build_cris(config)
    load_tensors(model, tensors, _sources(model, CLIP), unused=CLIP_UNUSED, path=path)
    return model


def load_released(path: str | Path) -> Cris:
    """Return a model in evaluation mode from a checkpoint that the released training code saved.

    Sizes follow from the tensors' shapes (except the decoder's 8 heads, which no shape tells), and the
    padding mask is the released one. Raises InputError naming the tensors that are missing, unexpected or
    misshapen.
    """
    tensors = read_tensors(path)
    try:
        config = released_config(tensors)
    except KeyError as error:
        message = f"{path} is no checkpoint of the released code: {error} is missing or misshapen"
        raise InputError(message) from error
    model = build_cris(config)
    load_tensors(model, tensors, _sources(model, RELEASED), unused=RELEASED_UNUSED, path=path)
    return model.eval()


def released_config(tensors: Mapping[str, Tensor]) -> CrisConfig:
    """Return the configuration whose model has tensors of these shapes; KeyError names one that misfits."""

    def size(key: str, dim: int = 0) -> int:
        if tensors[key].ndim <= dim:
            raise KeyError(key)
        return tensors[key].shape[dim]

    def count(pattern: str) -> int:
        return sum(re.fullmatch(pattern, key) is not None for key in tensors)

    stages = [count(rf"backbone\.visual\.layer{stage}\.\d+\.conv1\.weight") for stage in (1, 2, 3, 4)]
    dim = size("proj.vis.4.weight")
    kernel_size = {dim + 1: 1, 9 * dim + 1: 3}.get(size("proj.txt.weight"))
    if kernel_size is None:
        raise KeyError("proj.txt.weight")
    return CrisConfig(
        joint_dim=size("backbone.text_projection", 1),
        image=ClipResnetConfig(
            layers=(stages[0], stages[1], stages[2], stages[3]),
            stem=(
                size("backbone.visual.conv1.weight"),
                size("backbone.visual.conv2.weight"),
                size("backbone.visual.conv3.weight"),
            ),
            width=size("backbone.visual.layer1.0.conv1.weight"),
            position_grid=math.isqrt(max(size("backbone.visual.attnpool.positional_embedding") - 1, 1)),
        ),
        text=ClipTextConfig(
            vocabulary=size("backbone.token_embedding.weight"),
            context_length=size("backbone.positional_embedding"),
            width=size("backbone.token_embedding.weight", 1),
            layers=count(r"backbone\.transformer\.resblocks\.\d+\.ln_1\.weight"),
        ),
        neck=NeckConfig(
            fine=size("neck.f3_v_proj.0.weight"),
            middle=size("neck.f2_v_proj.0.weight"),
            coarse=size("neck.f1_v_proj.0.weight"),
        ),
        decoder=DecoderConfig(
            layers=count(r"decoder\.layers\.\d+\.norm1\.weight"), ffn=size("decoder.layers.0.ffn.0.weight")
        ),
        projector=ProjectorConfig(
            hidden=size("proj.vis.1.0.weight"), dim=dim, kernel_size=1 if kernel_size == 1 else 3
        ),
        padding="zero_id",
    )


def _sources(model: Cris, table: Mapping[str, TensorSource]) -> dict[str, TensorSource]:
    """Return the table's rows for this model's tensors, without those that the table does not know."""
    patterns = [
        (re.compile(re.escape(ours).replace(r"\*", r"([^.]+)")), source) for ours, source in table.items()
    ]
    sources = {}
    for name in model.state_dict():
        for pattern, source in patterns:
            if match := pattern.fullmatch(name):
                key = source.key
                for part in match.groups():
                    key = key.replace("*", part, 1)
                sources[name] = TensorSource(key, source.read)
    return sources
