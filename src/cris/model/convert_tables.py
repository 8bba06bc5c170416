"""Names of tensors elsewhere: OpenAI's and open_clip's CLIP, Hugging Face's, and the released CRIS code's."""

import math
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from cris.model.state_dict import TensorSource


def _third(key: str, index: int) -> TensorSource:
    """Return one of the query, key and value that torch's attention keeps in a single tensor."""
    return TensorSource(key, lambda tensor: tensor.chunk(3)[index])


def _transposed(key: str) -> TensorSource:
    return TensorSource(key, lambda tensor: tensor.T)


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


def _clip_block(ours: str, theirs: str) -> dict[str, TensorSource]:
    return {
        **_attention(f"{ours}.attention", f"{theirs}.attn"),
        **_same(
            {
                f"{ours}.attention_norm": f"{theirs}.ln_1",
                f"{ours}.mlp_norm": f"{theirs}.ln_2",
                f"{ours}.mlp.0": f"{theirs}.mlp.c_fc",
                f"{ours}.mlp.2": f"{theirs}.mlp.c_proj",
            }
        ),
    }


def _hugging_face_block(ours: str, theirs: str) -> dict[str, TensorSource]:
    return _same(
        {
            f"{ours}.attention.query": f"{theirs}.self_attn.q_proj",
            f"{ours}.attention.key": f"{theirs}.self_attn.k_proj",
            f"{ours}.attention.value": f"{theirs}.self_attn.v_proj",
            f"{ours}.attention.output": f"{theirs}.self_attn.out_proj",
            f"{ours}.attention_norm": f"{theirs}.layer_norm1",
            f"{ours}.mlp_norm": f"{theirs}.layer_norm2",
            f"{ours}.mlp.0": f"{theirs}.mlp.fc1",
            f"{ours}.mlp.2": f"{theirs}.mlp.fc2",
        }
    )


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
            "image_encoder.stem.patches": "visual.conv1",
            "image_encoder.stem.norm": "visual.ln_pre",
            "image_encoder.pyramid.norm": "visual.ln_post",
            "text_encoder.token_embedding": "token_embedding",
            "text_encoder.norm": "ln_final",
        }
    ),
    "image_encoder.stem.class_token": TensorSource("visual.class_embedding"),
    "image_encoder.stem.positions": TensorSource("visual.positional_embedding"),
    **_clip_block("image_encoder.layers.*", "visual.transformer.resblocks.*"),
    "image_encoder.pyramid.projection.weight": _transposed("visual.proj"),
    **_clip_block("text_encoder.blocks.*", "transformer.resblocks.*"),
    "text_encoder.positions": TensorSource("positional_embedding"),
    "text_encoder.projection": TensorSource("text_projection"),
}
"""Our tensors → their place in OpenAI's CLIP, and open_clip's; a star stands for one part of a name."""

HUGGING_FACE_PATCHES = "vision_model.embeddings.patch_embedding"
CLIP_HUGGING_FACE: dict[str, TensorSource] = {
    "image_encoder.stem.class_token": TensorSource("vision_model.embeddings.class_embedding"),
    "image_encoder.stem.positions": TensorSource("vision_model.embeddings.position_embedding.weight"),
    **_same(
        {
            "image_encoder.stem.patches": HUGGING_FACE_PATCHES,
            "image_encoder.stem.norm": "vision_model.pre_layrnorm",
            "image_encoder.pyramid.norm": "vision_model.post_layernorm",
            "image_encoder.pyramid.projection": "visual_projection",
            "text_encoder.token_embedding": "text_model.embeddings.token_embedding",
            "text_encoder.norm": "text_model.final_layer_norm",
        }
    ),
    **_hugging_face_block("image_encoder.layers.*", "vision_model.encoder.layers.*"),
    **_hugging_face_block("text_encoder.blocks.*", "text_model.encoder.layers.*"),
    "text_encoder.positions": TensorSource("text_model.embeddings.position_embedding.weight"),
    "text_encoder.projection": _transposed("text_projection.weight"),
}
"""Our tensors → their place in transformers' `CLIPModel`, which has vision transformers only."""

CLIP_UNUSED = {
    *("logit_scale", "input_resolution", "context_length", "vocab_size"),
    *("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"),
}

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
