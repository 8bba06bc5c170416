"""Eight-bit graphs by post-training quantisation (NNCF); what costs accuracy stays as it is."""

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Inputs = Mapping[str, np.ndarray]
"""Name of a graph's input → what it is given."""

KEPT = (r".*model\.text_encoder.*", r".*model\.projector.*")
"""Nodes that stay in float32, by the modules they come from: masks lose most by them, time gains least."""


def quantise(graph: Any, samples: Sequence[Inputs], *, is_of_sentences: bool) -> Any:
    """The graph (of ONNX or OpenVINO) with convolutions and matrix products in 8 bits.

    Ranges come from the samples. `KEPT` stays in float32, and so do attention's own products (NNCF's scheme
    for transformers).
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # its bars
        return nncf.quantize(
            graph,
            nncf.Dataset([dict(sample) for sample in samples]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
            model_type=nncf.ModelType.TRANSFORMER if is_of_sentences else None,
            # it cannot read the projector's weights, which are three matrices in one
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
            ),
            ignored_scope=nncf.IgnoredScope(patterns=list(KEPT)) if is_of_sentences else None,
        )


def quantise_onnx_file(file: Path, samples: Sequence[Inputs], *, is_of_sentences: bool) -> None:
    """Replaces the file's graph by its quantised form."""
    import onnx

    onnx.save(quantise(onnx.load(file), samples, is_of_sentences=is_of_sentences), file)
