"""Models for other runtimes: written, checked and, in eight bits, calibrated."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cris.export.export import ExportResult, export_model

__all__ = ["ExportResult", "export_model"]


def __getattr__(name: str) -> object:
    # only when asked for, because it takes torch
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("cris.export.export"), name)
