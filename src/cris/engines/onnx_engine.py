"""An exported model on onnxruntime; needs no torch."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from jaxtyping import Float32, Int64

from cris.engines.engine import Engine, Features, only_cpu
from cris.engines.exported import PICTURE_OUTPUTS, graph_files
from cris.model.config import CrisConfig


class OnnxEngine(Engine):
    """The two graphs of an ONNX export."""

    def __init__(self, folder: Path, config: CrisConfig, device: str = "auto") -> None:
        self.device = only_cpu(device, "onnx")
        self.config = config
        self.batch_size = 1
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads()
        self._picture, self._sentence = (
            onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            for file in graph_files(folder, "onnx")
        )

    def encode_image(self, images: Float32[np.ndarray, "pictures 3 height width"]) -> list[Features]:
        """As `Engine.encode_image`."""
        features = self._picture.run(list(PICTURE_OUTPUTS), {"images": images})
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
        (logits,) = self._sentence.run(["logits"], given)
        return logits[:, 0]  # type: ignore[no-any-return]


def _threads() -> int:
    """As many as numerical libraries are told to use here; 0 lets onnxruntime choose."""
    return int(os.environ.get("OMP_NUM_THREADS") or 0)
