"""Formats that models are exported in: which engine runs each, in which precisions."""

from dataclasses import dataclass
from typing import Literal

EngineName = Literal["torch", "onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]
Format = Literal["onnx", "openvino", "pt2"]


@dataclass(frozen=True, kw_only=True)
class FormatInfo:
    """Facts about a format; how it is written is in `cris.export.graphs`."""

    suffix: str
    """Suffix of the files of its graphs."""
    engine: EngineName
    """Name of the engine that runs it."""
    runner: tuple[str, str]
    """Module and class of that engine, imported on first use."""
    precisions: tuple[Precision, ...]
    """Precisions that it is exported in, the default first."""
    is_made_on_use: bool = False
    """True if a checkpoint is exported when its engine is asked for."""


FORMATS: dict[Format, FormatInfo] = {
    "onnx": FormatInfo(
        suffix=".onnx",
        engine="onnx",
        runner=("cris.engines.onnx_engine", "OnnxEngine"),
        precisions=("fp32", "int8"),
        is_made_on_use=True,
    ),
    "openvino": FormatInfo(
        suffix=".xml",
        engine="openvino",
        runner=("cris.engines.openvino_engine", "OpenVinoEngine"),
        precisions=("fp32", "bf16", "int8"),
        is_made_on_use=True,
    ),
    "pt2": FormatInfo(
        suffix=".pt2",
        engine="torch",
        runner=("cris.engines.program_engine", "ProgramEngine"),
        precisions=("fp32", "bf16"),
    ),
}
