"""Engines that run a model's arithmetic: torch, onnxruntime or OpenVINO, behind one interface."""

import sys

# OpenVINO and NNCF report each import and each conversion to Google Analytics, by processes that they fork, and
# write an identifier into the user's home: not where this package of theirs cannot be imported
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
