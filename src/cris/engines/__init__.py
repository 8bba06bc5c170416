"""Engines that run a model's arithmetic: torch, onnxruntime or OpenVINO, behind one interface."""

import sys

# OpenVINO and NNCF report imports and conversions to Google Analytics, by processes that they fork, and write
# an identifier into the user's home; without this package of theirs they do neither
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
