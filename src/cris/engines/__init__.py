"""What runs a model's arithmetic: torch, onnxruntime or OpenVINO, all asked in one way."""
