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


def quantise(graph: Any, samples: Sequence[Inputs], *, is_of_sentences: bool) -> Any:
    """The graph (of ONNX or OpenVINO) with convolutions and matrix products in 8 bits.

    Ranges come from the samples. Of the graph of sentences attention's own products stay in float32 (NNCF's
    transformer scheme), as do the small matrices that double and shift.
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
        )


def quantise_onnx_file(file: Path, samples: Sequence[Inputs], *, is_of_sentences: bool) -> None:
    """Replaces the file's graph by its quantised form."""
    import onnx

    onnx.save(quantise(onnx.load(file), samples, is_of_sentences=is_of_sentences), file)
