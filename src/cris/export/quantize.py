"""Eight-bit graphs by post-training quantisation (NNCF); what costs accuracy stays in float32."""

import contextlib
import io
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cris.model.encoders import ImageEncoder

Inputs = Mapping[str, np.ndarray]
"""Input name of a graph → array fed to it."""


class Kept(NamedTuple):
    """Modules whose nodes stay in float32, as patterns of module names."""

    picture: tuple[str, ...] = ()
    """Patterns for the image graph."""
    sentence: tuple[str, ...] = ()
    """Patterns for the sentence graph."""


_ALL = r".*"
_NECK = (r".*model\.neck.*", r"/node_Conv.*")
"""Patterns of the neck, whose parts of 1x1 convolutions have names of their own."""
_ALWAYS = (r".*model\.text_encoder.*", r".*model\.projector.*")
"""Patterns of modules that cost the masks most, as does an encoder's stem, and take little of the time."""


def quantization_steps(encoder: ImageEncoder) -> list[Kept]:
    """Return the choices of what stays in float32, fastest first; the first that keeps the masks is taken.

    The most sensitive part of the image encoder always does, then the decoder, then all after the encoder,
    then the encoder's next parts, the last of them with the neck.
    """
    parts = tuple(rf".*model\.image_encoder\.{re.escape(name)}\b.*" for name in encoder.float32_order)
    first = parts[:1]
    return [
        Kept(picture=first, sentence=_ALWAYS),
        Kept(picture=first, sentence=(*_ALWAYS, r".*model\.decoder.*")),
        Kept(picture=first, sentence=(_ALL,)),
        *(Kept(picture=parts[:count], sentence=(_ALL,)) for count in range(2, len(parts))),
        Kept(picture=(*parts, *_NECK), sentence=(_ALL,)),
    ]


def quantize(graph: Any, samples: Sequence[Inputs], kept: Sequence[str]) -> Any:
    """Return the graph (ONNX or OpenVINO) with convolutions and matrix products in 8 bits.

    Ranges come from the samples. Nodes whose names match a pattern of `kept` stay as they are, and so do
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
