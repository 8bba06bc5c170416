"""Eight-bit graphs by post-training quantisation (NNCF); what costs accuracy stays in float32."""

import contextlib
import io
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32

from cris.config_file import StoredConfig
from cris.engines.engine import Engine
from cris.engines.export_folder import PICTURE_OUTPUTS
from cris.export.samples import ExportSample
from cris.letterbox import Letterbox
from cris.model.cris import Cris
from cris.model.encoders import ImageEncoder

Inputs = Mapping[str, np.ndarray]
"""Input name of a graph → array fed to it."""


class Kept(NamedTuple):
    """Modules whose nodes stay in float32, as patterns of module names."""

    picture: tuple[str, ...] = ()
    """Patterns for the image graph."""
    sentence: tuple[str, ...] = ()
    """Patterns for the sentence graph."""


_INDEX = np.zeros(1, dtype=np.int64)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationData:
    """Inputs of both graphs for some samples, and the masks that float32 predicts."""

    config: StoredConfig
    samples: Sequence[ExportSample]
    pictures: list[Inputs]
    """Inputs of the image graph."""
    sentences: list[Inputs]
    """Inputs of the sentence graph."""
    masks: list[Bool[np.ndarray, "size size"]]
    """Masks at the model's input size."""


@torch.inference_mode()
def calibration_data(model: Cris, config: StoredConfig, samples: Sequence[ExportSample]) -> CalibrationData:
    """Run the model on each sample and return its inputs and masks."""
    pictures: list[Inputs] = []
    sentences: list[Inputs] = []
    masks = []
    for sample in samples:
        features = model.encode_image(torch.from_numpy(sample.image))
        output = model.segment(features, model.encode_text(torch.from_numpy(sample.tokens)))
        known = {name: part.numpy() for name, part in zip(PICTURE_OUTPUTS, features, strict=True)}
        pictures.append({"images": sample.image})
        sentences.append(known | {"tokens": sample.tokens, "image_index": _INDEX})
        masks.append(_mask(output.logits[0, 0].numpy(), config))
    return CalibrationData(
        config=config, samples=samples, pictures=pictures, sentences=sentences, masks=masks
    )


def mean_agreement(engine: Engine, calibration: CalibrationData) -> float:
    """Return the mean IoU of the engine's masks with those of float32; 1 where both are empty."""
    agreements = []
    for sample, mask in zip(calibration.samples, calibration.masks, strict=True):
        output = engine.segment(engine.encode_image(sample.image), sample.tokens, _INDEX)
        found = _mask(output.logits[0, 0], calibration.config)
        union = (found | mask).sum()
        agreements.append((found & mask).sum() / union if union else 1.0)
    return float(np.mean(agreements))


def _mask(logits: Float32[np.ndarray, "cells cells"], config: StoredConfig) -> Bool[np.ndarray, "size size"]:
    """Return the mask that a segmenter finds in an image of the model's own input size."""
    size = config.inference.input_size
    whole = Letterbox(size, size, size, config.inference.protocol)
    return whole.restore(0.5 + 0.5 * np.tanh(0.5 * logits)) > config.inference.threshold
