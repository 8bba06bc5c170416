"""Construction of a model from its configuration."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from cris.errors import InputError
from cris.model.bert_text import BertText
from cris.model.clip_resnet import ClipResnet
from cris.model.clip_text import ClipText
from cris.model.clip_vit import ClipVit
from cris.model.config import (
    BertTextConfig,
    ClipResnetConfig,
    ClipTextConfig,
    ClipVitConfig,
    CrisConfig,
    CustomImageConfig,
    EfficientNetLiteConfig,
    ImageEncoderConfig,
    TextEncoderConfig,
)
from cris.model.cris import Cris
from cris.model.decoder import Decoder
from cris.model.efficientnet_lite import EfficientNetLite
from cris.model.encoders import ImageEncoder, OwnImageEncoder, TextEncoder
from cris.model.neck import CrossModalNeck
from cris.model.presence import PresenceHead
from cris.model.projector import Projector

IMAGE_ENCODERS: Mapping[type[ImageEncoderConfig], Callable[[Any, int], ImageEncoder]] = {
    ClipResnetConfig: ClipResnet,
    ClipVitConfig: ClipVit,
    EfficientNetLiteConfig: EfficientNetLite,
}
"""Class of a configuration → class of the image encoder that it describes."""
TEXT_ENCODERS: Mapping[type[TextEncoderConfig], Callable[[Any, int], TextEncoder]] = {
    ClipTextConfig: ClipText,
    BertTextConfig: BertText,
}
"""Class of a configuration → class of the text encoder that it describes."""


def build_cris(config: CrisConfig, *, image_encoder: OwnImageEncoder | None = None) -> Cris:
    """Return a model with fresh weights, in training mode; seed torch's generator first to reproduce them.

    Args:
        config: sizes and options.
        image_encoder: the caller's own in place of the configuration's: an `ImageEncoder`, which becomes
            part of the model with the weights that it has, or what makes one from the joint width.

    Raises:
        InputError: the configuration names an encoder of the caller's that is not passed, or the one that is
            passed does not fit.
    """
    dim, joint_dim = config.neck.middle, config.joint_dim
    if image_encoder is None:
        encoder = build_image_encoder(config.image, joint_dim)
    else:
        encoder = _own_encoder(image_encoder, joint_dim)
        config = replace(config, image=CustomImageConfig(name=type(encoder).__name__))
    c3, c4, _ = encoder.channels
    return Cris(
        config,
        image_encoder=encoder,
        text_encoder=build_text_encoder(config.text, joint_dim),
        neck=CrossModalNeck(config.neck, (c3, c4), joint_dim),
        decoder=Decoder(config.decoder, dim, config.text.width) if config.decoder.layers else None,
        projector=Projector(config.projector, dim, joint_dim),
        presence=PresenceHead(config.presence_heads, dim, joint_dim) if config.presence_heads else None,
    )


def build_uninitialized(config: CrisConfig) -> Cris:
    """Return a model to load weights into, without drawing any first: until then they are undefined."""
    with _NothingDrawn():
        return build_cris(config)


def build_like(model: Cris) -> Cris:
    """Return a model of the same sizes and parts, with weights of its own, in training mode."""
    is_own = isinstance(model.config.image, CustomImageConfig)
    return build_cris(model.config, image_encoder=deepcopy(model.image_encoder) if is_own else None)


def build_image_encoder(config: ImageEncoderConfig, joint_dim: int) -> ImageEncoder:
    """Return an image encoder of that configuration, with fresh weights.

    Raises:
        InputError: it is one of the caller's, which only the caller can make.
    """
    if isinstance(config, CustomImageConfig):
        raise InputError(
            f"the model has an image encoder of its own, {config.name}, which cris cannot build: "
            f"pass image_encoder={config.name}"
        )
    return IMAGE_ENCODERS[type(config)](config, joint_dim)


def build_text_encoder(config: TextEncoderConfig, joint_dim: int) -> TextEncoder:
    """Return a text encoder of that configuration, with fresh weights."""
    return TEXT_ENCODERS[type(config)](config, joint_dim)


def _own_encoder(given: OwnImageEncoder, joint_dim: int) -> ImageEncoder:
    encoder = given if isinstance(given, ImageEncoder) else given(joint_dim)
    if not isinstance(encoder, ImageEncoder):
        raise InputError(
            "image_encoder must be a cris.model.ImageEncoder, or make one from the joint width, "
            f"got {type(encoder).__name__}"
        )
    if (channels := encoder.channels[2]) != joint_dim:
        raise InputError(
            f"the last features of {type(encoder).__name__} must have the model's {joint_dim} channels "
            f"(joint_dim), got {channels}"
        )
    return encoder


_DRAW = {Tensor.normal_, Tensor.uniform_, init.kaiming_uniform_, init.normal_, init.uniform_}
"""Functions that draw; those of `init` would call the others where a mode does not see it."""


class _NothingDrawn(TorchFunctionMode):
    """Leaves tensors as they are that would be filled at random."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _DRAW:
            return args[0] if args else (kwargs or {})["tensor"]
        if func is torch.randn:
            func = torch.empty
        return func(*args, **(kwargs or {}))
