"""Conversion of weights from elsewhere: CLIP's, and those that the released CRIS code saves."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from cris.errors import InputError
from cris.model.build import build_cris, build_uninitialized
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


def load_clip(path: str | Path, config: CrisConfig | None = None) -> Cris:
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
    model = build_uninitialized(config)
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


def _resnet_config(tensors: Mapping[str, Tensor], prefix: str) -> ClipResnetConfig:
    visual = f"{prefix}visual"
    stages = [
        _count(tensors, rf"{re.escape(visual)}\.layer{stage}\.\d+\.conv1\.weight") for stage in (1, 2, 3, 4)
    ]
    return ClipResnetConfig(
        layers=(stages[0], stages[1], stages[2], stages[3]),
        stem=(
            _size(tensors, f"{visual}.conv1.weight"),
            _size(tensors, f"{visual}.conv2.weight"),
            _size(tensors, f"{visual}.conv3.weight"),
        ),
        width=_size(tensors, f"{visual}.layer1.0.conv1.weight"),
        position_grid=math.isqrt(max(_size(tensors, f"{visual}.attnpool.positional_embedding") - 1, 1)),
    )


def _size(tensors: Mapping[str, Tensor], key: str, dim: int = 0) -> int:
    if tensors[key].ndim <= dim:
        raise KeyError(key)
    return tensors[key].shape[dim]


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, key) is not None for key in tensors)


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
