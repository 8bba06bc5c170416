"""The CRIS model and everything that is needed to build one."""

from cris.model.build import build_cris
from cris.model.config import BACKBONES, CrisConfig, InferenceConfig
from cris.model.cris import Cris

__all__ = ["BACKBONES", "Cris", "CrisConfig", "InferenceConfig", "build_cris"]
