"""Calibration data for int8, and the reference it is measured by: features and masks of some samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from cris.config_file import StoredConfig
from cris.engines.engine import Engine
from cris.engines.export_folder import IMAGE_OUTPUTS
from cris.export.quantize import Inputs
from cris.export.samples import ExportSample
from cris.guided_filter import GuidedFilter
from cris.letterbox import Letterbox, normalisation
from cris.model.cris import Cris
from cris.model.output import ModelOutput
from cris.prediction import Prediction

_INDEX = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationData:
    """Inputs of both graphs for some samples, and the masks that float32 predicts."""

    config: StoredConfig
    samples: Sequence[ExportSample]
    """Samples whose masks are compared: all but the crops."""
    images: list[Inputs]
    """Inputs of the image graph."""
    sentences: list[Inputs]
    """Inputs of the sentence graph."""
    masks: list[Bool[np.ndarray, "size size"]]
    """Their masks at the model's input size."""


@torch.inference_mode()
def calibration_data(model: Cris, config: StoredConfig, samples: Sequence[ExportSample]) -> CalibrationData:
    """Run the model on each sample and return its inputs and masks."""
    images: list[Inputs] = []
    sentences: list[Inputs] = []
    masks = []
    for sample in samples:
        features = model.encode_image(torch.from_numpy(sample.image))
        output = model.segment(features, model.encode_text(torch.from_numpy(sample.tokens)))
        known = {name: part.numpy() for name, part in zip(IMAGE_OUTPUTS, features, strict=True)}
        images.append({"images": sample.image})
        sentences.append(known | {"tokens": sample.tokens, "image_index": _INDEX})
        if not sample.is_crop:
            masks.append(_mask(output.map(Tensor.numpy), sample, config))
    compared = [sample for sample in samples if not sample.is_crop]
    return CalibrationData(config=config, samples=compared, images=images, sentences=sentences, masks=masks)


def mean_agreement(engine: Engine, calibration: CalibrationData) -> float:
    """Return the mean IoU of the engine's masks with those of float32; 1 where both are empty."""
    agreements = []
    for sample, mask in zip(calibration.samples, calibration.masks, strict=True):
        output = engine.segment(engine.encode_image(sample.image), sample.tokens, _INDEX)
        found = _mask(output, sample, calibration.config)
        union = (found | mask).sum()
        agreements.append((found & mask).sum() / union if union else 1.0)
    return float(np.mean(agreements))


def _mask(output: ModelOutput, sample: ExportSample, config: StoredConfig) -> Bool[np.ndarray, "size size"]:
    """Return the mask that a segmenter finds in an image of the model's own input size."""
    inference = config.inference
    scale, shift = normalisation()
    levels = (np.moveaxis(sample.image[0], 0, -1) + shift) / scale
    image = levels.round().clip(0, 255).astype(np.uint8)
    whole = Letterbox(inference.input_size, inference.input_size, inference.input_size, inference.protocol)
    radius = inference.guided_radius
    return Prediction.from_output(
        output.map(itemgetter(0)),
        sentence="",
        image=image,
        letterbox=whole,
        threshold=inference.threshold,
        relative_threshold=inference.relative_threshold,
        peak_threshold=inference.peak_threshold,
        presence_threshold=inference.presence_threshold,
        guided_filter=GuidedFilter(whole.cell_colours(image), radius) if radius else None,
    ).mask
