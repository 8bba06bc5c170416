"""Engine for exported programs (pt2) on torch, without the package's model code."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cris.engines.graph_engine import GraphEngine


class ProgramEngine(GraphEngine):
    """Engine for the two graphs of a pt2 export."""

    format = "pt2"
    batch_size = 2

    def _open(self, file: Path) -> nn.Module:
        return torch.export.load(file).module()

    @torch.inference_mode()
    def _run(
        self, graph: nn.Module, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> Sequence[np.ndarray]:
        found = graph(*map(torch.from_numpy, inputs.values()))  # in the order of the outputs, without names
        return [each.numpy() for each in ([found] if isinstance(found, Tensor) else found)]
