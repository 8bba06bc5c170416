"""Engines that run a model's arithmetic: torch, onnxruntime or OpenVINO, behind one interface."""
