"""An exported model on OpenVINO; needs no torch."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
from jaxtyping import Float32, Int64

from cris.engines.engine import Engine, Features, Precision, only_cpu
from cris.engines.exported import PICTURE_OUTPUTS, graph_files
from cris.model.config import CrisConfig


class OpenVinoEngine(Engine):
    """The two graphs of an OpenVINO export."""

    def __init__(
        self, folder: Path, config: CrisConfig, device: str = "auto", precision: Precision = "fp32"
    ) -> None:
        self.device = only_cpu(device, "openvino")
        self.config = config
        self.batch_size = 1
        settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            # what is not quantised stays in float32, also where the processor has bfloat16
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        }
        if threads := os.environ.get("OMP_NUM_THREADS"):
            settings["INFERENCE_NUM_THREADS"] = int(threads)
        core = openvino.Core()
        self._picture, self._sentence = (
            core.compile_model(file, "CPU", settings) for file in graph_files(folder, "openvino")
        )

    def encode_image(self, images: Float32[np.ndarray, "pictures 3 height width"]) -> list[Features]:
        """As `Engine.encode_image`."""
        found = self._picture.create_infer_request().infer({"images": images})
        features = [found[name] for name in PICTURE_OUTPUTS]
        return [tuple(feature[row : row + 1].copy() for feature in features) for row in range(len(images))]

    def segment(
        self,
        pictures: Sequence[Features],
        tokens: Int64[np.ndarray, "sentences tokens"],
        index: Int64[np.ndarray, "sentences"],
    ) -> Float32[np.ndarray, "sentences h4 w4"]:
        """As `Engine.segment`."""
        features = map(np.concatenate, zip(*pictures, strict=True))
        given = dict(zip(PICTURE_OUTPUTS, features, strict=True)) | {"tokens": tokens, "image_index": index}
        found = self._sentence.create_infer_request().infer(given)
        return found["logits"][:, 0]  # type: ignore[no-any-return]
