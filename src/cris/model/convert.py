"""Conversion of weights from elsewhere: CLIP's, and those that the released CRIS code saves."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from cris.errors import InputError
from cris.model.build import build_cris
from cris.model.config import (
    BACKBONES,
    ClipResnetConfig,
    ClipTextConfig,
    ClipVitConfig,
    CrisConfig,
    DecoderConfig,
    ImageEncoderConfig,
    NeckConfig,
    ProjectorConfig,
)
from cris.model.convert_tables import (
    CLIP,
    CLIP_HUGGING_FACE,
    CLIP_UNUSED,
    HUGGING_FACE_PATCHES,
    RELEASED,
    RELEASED_UNUSED,
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

    Reads OpenAI's TorchScript archives, plain state dicts and safetensors, in the names of OpenAI, open_clip
    or Hugging Face, and runs no code from them. A positional embedding made for images of another size is
    kept as it is: the encoders resize it. Without a configuration the model is the paper's, on the encoder
    that the file has.

    Raises:
        InputError: the file has another image encoder, or names the tensors that do not fit.
    """
    tensors = read_tensors(path)
    if any(key.startswith("text.") for key in tensors):  # as open_clip has it beside encoders of others
        tensors = {key.removeprefix("text."): tensor for key, tensor in tensors.items()}
    try:
        image = clip_image_config(tensors)
    except KeyError as error:
        raise InputError(f"{path} must hold CLIP's weights: {error} is missing or misshapen") from error
    if config is None:
        name = backbone_name(image)
        if name is None:
            raise InputError(
                f"{path} must have the sizes of one of {', '.join(BACKBONES)}, got the image encoder {image}"
            )
        config = BACKBONES[name]
    _check_same_encoder(image, config.image, path)
    model = build_cris(replace(config, image=image))
    table = CLIP_HUGGING_FACE if f"{HUGGING_FACE_PATCHES}.weight" in tensors else CLIP
    load_tensors(model, tensors, _sources(model, table), unused=CLIP_UNUSED, path=path)
    return model


def clip_image_config(tensors: Mapping[str, Tensor]) -> ClipResnetConfig | ClipVitConfig:
    """Return the sizes of the image encoder in CLIP's tensors; KeyError names one that misfits."""
    if _count(tensors, r"visual\.layer1\.\d+\.conv1\.weight"):
        return _resnet_config(tensors, "")
    is_hugging_face = f"{HUGGING_FACE_PATCHES}.weight" in tensors
    table = CLIP_HUGGING_FACE if is_hugging_face else CLIP
    patches = table["image_encoder.stem.patches.*"].key.replace("*", "weight")
    positions = table["image_encoder.stem.positions"].key
    norm = re.escape(table["image_encoder.layers.*.mlp_norm.*"].key).replace(r"\*", r"\w+")
    return ClipVitConfig(
        patch_size=_size(tensors, patches, 3),
        width=_size(tensors, patches),
        layers=_count(tensors, norm) // 2,
        position_grid=math.isqrt(max(_size(tensors, positions) - 1, 1)),
    )


def backbone_name(image: ImageEncoderConfig) -> str | None:
    """Return the name of CLIP's image encoder of these sizes, if need be with another positional grid."""
    close = None
    for name, config in BACKBONES.items():
        if config.image == image:
            return name
        if not _differing_fields(image, config.image):
            close = close or name
    return close


def _differing_fields(
    image: ImageEncoderConfig, other: ImageEncoderConfig
) -> dict[str, tuple[object, object]]:
    """Return field → its two values, without the grid of positions, which may be any."""
    if image.kind != other.kind:
        return {"kind": (image.kind, other.kind)}
    ours, theirs = asdict(image), asdict(other)
    return {
        name: (ours[name], theirs[name])
        for name in ours
        if ours[name] != theirs[name] and name != "position_grid"
    }


def _check_same_encoder(found: ImageEncoderConfig, wanted: ImageEncoderConfig, path: str | Path) -> None:
    """Raise InputError where a file has another image encoder than the model; the grid may differ."""
    for field, (theirs, ours) in _differing_fields(found, wanted).items():
        raise InputError(
            f"{path} has the image encoder {backbone_name(found) or found.kind}, the model needs "
            f"{backbone_name(wanted) or wanted.kind}: {field} must be {ours}, got {theirs}; choose the "
            "backbone or recipe of that file, or another file"
        )


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

    size, count = partial(_size, tensors), partial(_count, tensors)
    dim = size("proj.vis.4.weight")
    kernel_size = {dim + 1: 1, 9 * dim + 1: 3}.get(size("proj.txt.weight"))
    if kernel_size is None:
        raise KeyError("proj.txt.weight")
    return CrisConfig(
        joint_dim=size("backbone.text_projection", 1),
        image=_resnet_config(tensors, "backbone."),
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
