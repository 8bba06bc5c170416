"""Referring image segmentation: the pixels of an image that a sentence refers to (CRIS, CVPR 2022)."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cris.data.open import open_dataset
    from cris.demo.photographs import sample_image
    from cris.evaluation.evaluate import evaluate
    from cris.export.export import export_model
    from cris.prediction import Prediction
    from cris.segmenter import Segmenter
    from cris.training.train import train
    from cris.version import __version__

__all__ = [
    "Prediction",
    "Segmenter",
    "__version__",
    "evaluate",
    "export_model",
    "open_dataset",
    "sample_image",
    "train",
]
_MODULES = {
    "Prediction": "cris.prediction",
    "Segmenter": "cris.segmenter",
    "evaluate": "cris.evaluation.evaluate",
    "export_model": "cris.export.export",
    "open_dataset": "cris.data.open",
    "sample_image": "cris.demo.photographs",
    "train": "cris.training.train",
    "__version__": "cris.version",
}


def __getattr__(name: str) -> object:
    # only when asked for: the segmenter brings torch, which takes seconds, and reading the version 15 ms
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
