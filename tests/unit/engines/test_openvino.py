"""OpenVINO as it is imported here: it reports nothing to its makers."""

import sys

import pytest

import cris.engines  # noqa: F401, before openvino


def test_neither_openvino_nor_nncf_can_report() -> None:
    pytest.importorskip("openvino")
    stub = sys.modules["openvino.tools.ovc.telemetry_stub"]  # openvino's own, where it cannot import the real
    assert sys.modules["openvino.tools.ovc.telemetry_utils"].tm is stub
    with pytest.raises(ImportError):
        __import__("openvino_telemetry")
