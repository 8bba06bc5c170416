"""Eight-bit graphs by post-training quantisation (NNCF); what costs accuracy stays in float32."""

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Inputs = Mapping[str, np.ndarray]
"""Name of a graph's input → what it is given."""


class Kept(NamedTuple):
    """What stays in float32, as patterns of the names of modules that nodes come from."""

    picture: tuple[str, ...] = ()
    """In the graph of pictures."""
    sentence: tuple[str, ...] = ()
    """In the graph of sentences."""


_ALL = r".*"
_STEM = r".*\.stem.*"
_FIRST_STAGE = r".*\.stages\.0.*"
_FIRST_STAGES = (r".*\.stages\.[01].*",)
_AFTER_STAGES = (r".*attention_pool.*", r".*model\.neck.*", r"/node_Conv.*")
"""The attention pool and the neck, whose parts of 1x1 convolutions have names of their own."""
_ALWAYS = (r".*model\.text_encoder.*", r".*model\.projector.*")
"""They and the stem cost masks most and are little of the time."""
STEPS = (
    Kept(picture=(_STEM,), sentence=_ALWAYS),
    Kept(picture=(_STEM,), sentence=(*_ALWAYS, r".*model\.decoder.*")),
    Kept(picture=(_STEM,), sentence=(_ALL,)),
    Kept(picture=(_STEM, _FIRST_STAGE), sentence=(_ALL,)),
    Kept(picture=(_STEM, *_FIRST_STAGES), sentence=(_ALL,)),
    Kept(picture=(_STEM, *_FIRST_STAGES, *_AFTER_STAGES), sentence=(_ALL,)),
)
"""From the fastest on; the first that keeps the masks is taken. In the last only the stages from the third on
are in 8 bits."""


def quantise(graph: Any, samples: Sequence[Inputs], kept: Sequence[str]) -> Any:
    """The graph (of ONNX or OpenVINO) with convolutions and matrix products in 8 bits.

    Ranges come from the samples. Nodes whose names fit a pattern of `kept` stay as they are, and so do
    products within attention (NNCF's scheme for transformers).
    """
    if _ALL in kept:
        return graph
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # its bars
        return nncf.quantize(
            graph,
            nncf.Dataset([dict(sample) for sample in samples]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            # smoothing cannot read the projector's weights, which are three matrices in one
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
            ),
            # not every model has every part
            ignored_scope=nncf.IgnoredScope(patterns=list(kept), validate=False),
        )
