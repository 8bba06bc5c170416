"""An exported program (pt2) on torch, without the package's model code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from cris.engines.engine import Engine, Features, only_cpu
from cris.engines.exported import graph_files
from cris.model.config import CrisConfig


class ProgramEngine(Engine):
    """The two graphs of a pt2 export."""

    def __init__(self, folder: Path, config: CrisConfig, device: str = "auto") -> None:
        self.device = only_cpu(device, "torch")
        self.config = config
        self.batch_size = 2
        self._picture, self._sentence = (
            torch.export.load(file).module() for file in graph_files(folder, "pt2")
        )

    @torch.inference_mode()
    def encode_image(self, images: Float32[np.ndarray, "pictures 3 height width"]) -> list[Features]:
        """As `Engine.encode_image`."""
        features = self._picture(torch.from_numpy(images))
        return [tuple(feature[row : row + 1].clone() for feature in features) for row in range(len(images))]

    @torch.inference_mode()
    def segment(
        self,
        pictures: Sequence[Features],
        tokens: Int64[np.ndarray, "sentences tokens"],
        index: Int64[np.ndarray, "sentences"],
    ) -> Float32[np.ndarray, "sentences h4 w4"]:
        """As `Engine.segment`."""
        features = map(torch.cat, zip(*pictures, strict=True))
        logits: Tensor = self._sentence(*features, torch.from_numpy(tokens), torch.from_numpy(index))
        return logits[:, 0].numpy()
