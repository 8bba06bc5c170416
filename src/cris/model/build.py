"""Builds a model from its configuration."""

from cris.model.clip_resnet import ClipResnet
from cris.model.clip_text import ClipText
from cris.model.config import CrisConfig
from cris.model.cris import Cris
from cris.model.decoder import Decoder
from cris.model.neck import CrossModalNeck
from cris.model.projector import Projector


def build_cris(config: CrisConfig) -> Cris:
    """A model with fresh weights, in training mode; seed torch's generator first for the same ones again."""
    c3, c4, _ = config.image.channels
    dim, joint_dim = config.neck.middle, config.joint_dim
    return Cris(
        config,
        image_encoder=ClipResnet(config.image, joint_dim),
        text_encoder=ClipText(config.text, joint_dim),
        neck=CrossModalNeck(config.neck, (c3, c4), joint_dim),
        decoder=Decoder(config.decoder, dim, config.text.width) if config.decoder.layers else None,
        projector=Projector(config.projector, dim, joint_dim),
    )
