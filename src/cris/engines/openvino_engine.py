"""Engine for exported models on OpenVINO; needs no torch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import openvino

from cris.engines.formats import Precision
from cris.engines.graph_engine import GraphEngine
from cris.model.config import CrisConfig


class OpenVinoEngine(GraphEngine):
    """Engine for the two graphs of an OpenVINO export."""

    format = "openvino"

    def __init__(
        self, folder: Path, config: CrisConfig, device: str = "auto", precision: Precision = "fp32"
    ) -> None:
        self._core = openvino.Core()
        self._settings: dict[str, object] = {
            "PERFORMANCE_HINT": "LATENCY",
            # what is not quantised stays in float32, also where the processor has bfloat16
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        }
        if threads := os.environ.get("OMP_NUM_THREADS"):
            self._settings["INFERENCE_NUM_THREADS"] = int(threads)
        super().__init__(folder, config, device, precision)

    def _open(self, file: Path) -> openvino.CompiledModel:
        return self._core.compile_model(file, "CPU", self._settings)

    def _run(
        self, graph: openvino.CompiledModel, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> Sequence[np.ndarray]:
        found = graph.create_infer_request().infer(dict(inputs))
        known = {name for output in graph.outputs for name in output.names}
        return [found[name] for name in outputs if name in known]
