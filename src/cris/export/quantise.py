"""Eight-bit graphs by post-training quantisation (NNCF); what costs accuracy stays in float32."""

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Inputs = Mapping[str, np.ndarray]
"""Name of a graph's input → what it is given."""

_TEXT, _PROJECTOR, _DECODER = r".*model\.text_encoder.*", r".*model\.projector.*", r".*model\.decoder.*"
KEPT: tuple[tuple[str, ...] | None, ...] = ((_TEXT, _PROJECTOR), (_TEXT, _PROJECTOR, _DECODER), None)
"""What stays in float32 in the graph of sentences, by the modules that nodes come from; None: all of it.

The first that keeps the masks is taken. Text encoder and projector cost masks most and are little time.
"""


def quantise(graph: Any, samples: Sequence[Inputs], kept: Sequence[str] = ()) -> Any:
    """The graph (of ONNX or OpenVINO) with convolutions and matrix products in 8 bits.

    Ranges come from the samples. Nodes whose names fit a pattern of `kept` stay as they are, and so do
    products within attention (NNCF's scheme for transformers).
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # its bars
        return nncf.quantize(
            graph,
            nncf.Dataset([dict(sample) for sample in samples]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
            model_type=nncf.ModelType.TRANSFORMER if kept else None,
            # smoothing cannot read the projector's weights, which are three matrices in one
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
            ),
            ignored_scope=nncf.IgnoredScope(patterns=list(kept)) if kept else None,
        )
