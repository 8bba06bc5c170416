"""Construction of a model from its configuration."""

from cris.model.bert_text import BertText
from cris.model.clip_resnet import ClipResnet
from cris.model.clip_text import ClipText
from cris.model.config import (
    BertTextConfig,
    ClipResnetConfig,
    ClipTextConfig,
    CrisConfig,
    EfficientNetLiteConfig,
    ImageEncoderConfig,
    TextEncoderConfig,
)
from cris.model.cris import Cris
from cris.model.decoder import Decoder
from cris.model.efficientnet_lite import EfficientNetLite
from cris.model.encoders import ImageEncoder, TextEncoder
from cris.model.neck import CrossModalNeck
from cris.model.presence import PresenceHead
from cris.model.projector import Projector


def build_cris(config: CrisConfig) -> Cris:
    """Return a model with fresh weights, in training mode; seed torch's generator first to reproduce them."""
    c3, c4, _ = config.image.channels
    dim, joint_dim = config.neck.middle, config.joint_dim
    return Cris(
        config,
        image_encoder=build_image_encoder(config.image, joint_dim),
        text_encoder=build_text_encoder(config.text, joint_dim),
        neck=CrossModalNeck(config.neck, (c3, c4), joint_dim),
        decoder=Decoder(config.decoder, dim, config.text.width) if config.decoder.layers else None,
        projector=Projector(config.projector, dim, joint_dim),
        presence=PresenceHead(config.presence_heads, dim, joint_dim) if config.presence_heads else None,
    )


def build_image_encoder(config: ImageEncoderConfig, joint_dim: int) -> ImageEncoder:
    """Return an image encoder of that configuration, with fresh weights."""
    match config:
        case ClipResnetConfig():
            return ClipResnet(config, joint_dim)
        case EfficientNetLiteConfig():
            return EfficientNetLite(config, joint_dim)


def build_text_encoder(config: TextEncoderConfig, joint_dim: int) -> TextEncoder:
    """Return a text encoder of that configuration, with fresh weights."""
    match config:
        case ClipTextConfig():
            return ClipText(config, joint_dim)
        case BertTextConfig():
            return BertText(config, joint_dim)
