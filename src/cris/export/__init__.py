"""Models for other runtimes: written by `cris export`, run by `OnnxSegmenter` where there is no torch."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cris.export.make import export_model
    from cris.export.onnx_segmenter import OnnxSegmenter

__all__ = ["OnnxSegmenter", "export_model"]

_PLACES = {"OnnxSegmenter": "cris.export.onnx_segmenter", "export_model": "cris.export.make"}


def __getattr__(name: str) -> object:
    # only when asked for, because making an export takes torch, and asking one does not
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
