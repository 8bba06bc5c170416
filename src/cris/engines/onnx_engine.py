"""Engine for exported models on onnxruntime; needs no torch."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from cris.engines.graph_engine import GraphEngine


class OnnxEngine(GraphEngine):
    """Engine for the two graphs of an ONNX export."""

    format = "onnx"

    def _open(self, file: Path) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        # as many as numerical libraries are told to use here; 0 lets onnxruntime choose
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def _run(
        self, graph: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> Sequence[np.ndarray]:
        known = {output.name for output in graph.get_outputs()}
        return graph.run([name for name in outputs if name in known], dict(inputs))  # type: ignore[no-any-return]
