"""The CRIS model and everything needed to build one."""

import importlib
from typing import TYPE_CHECKING

from cris.model.config import BACKBONES, CrisConfig, InferenceConfig

if TYPE_CHECKING:
    from cris.model.build import build_cris
    from cris.model.cris import Cris
    from cris.model.encoders import ImageEncoder

__all__ = ["BACKBONES", "Cris", "CrisConfig", "ImageEncoder", "InferenceConfig", "build_cris"]

_LAZY = {
    "Cris": "cris.model.cris",
    "ImageEncoder": "cris.model.encoders",
    "build_cris": "cris.model.build",
}
"""Names that import torch, which exported models do without → their modules."""


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
