"""Writing of the two programs as ONNX, OpenVINO or pt2 files."""

import contextlib
import io
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from cris.engines.export_folder import IMAGE_OUTPUTS
from cris.engines.formats import FORMATS, Format
from cris.model.output import ModelOutput

OPSET = 18
"""ONNX operator set, which every onnxruntime since 1.14 reads."""
NAMES = {
    "picture": (["images"], list(IMAGE_OUTPUTS)),
    "sentence": ([*IMAGE_OUTPUTS, "tokens", "image_index"], list(ModelOutput._fields)),
}
"""Graph → names of its inputs and of its possible outputs."""


def write_graphs(programs: tuple[ExportedProgram, ExportedProgram], folder: Path, format: Format) -> None:
    """Write the graphs of both programs, in their own precision."""
    if format in ("pt2", "onnx"):
        (write_pt2 if format == "pt2" else write_onnx)(programs, folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        write_onnx(programs, Path(temporary))
        for name in NAMES:
            write_graph(read_graph(Path(temporary) / f"{name}.onnx", format), name, folder, format)


def write_pt2(programs: tuple[ExportedProgram, ExportedProgram], folder: Path) -> None:
    """Write picture.pt2 and sentence.pt2."""
    for name, program in zip(NAMES, programs, strict=True):
        torch.export.save(program, folder / f"{name}{FORMATS['pt2'].suffix}")


def write_onnx(programs: tuple[ExportedProgram, ExportedProgram], folder: Path) -> None:
    """Write picture.onnx and sentence.onnx, with the weights inside."""
    import onnxscript.optimizer

    for (name, (inputs, outputs)), program in zip(NAMES.items(), programs, strict=True):
        with _quiet():
            written = torch.onnx.export(
                program,
                dynamo=True,
                input_names=inputs,
                output_names=outputs[: len(program.graph_signature.user_outputs)],
                opset_version=OPSET,
                optimize=False,  # below, with larger limits
                external_data=False,
                verbose=False,
            )
        assert written is not None
        # slices of weights, positions and small matrices become constants, whatever their size; a second
        # iteration would take out three nodes of 400
        onnxscript.optimizer.optimize_ir(
            written.model, num_iterations=1, input_size_limit=2**31, output_size_limit=2**31
        )
        for node in written.model.graph:
            _name_by_module(node)
        for value in (*written.model.graph.inputs, *written.model.graph.outputs):
            _name_batch(value)
        written.save(folder / f"{name}{FORMATS['onnx'].suffix}")


def read_graph(onnx_file: Path, format: Format) -> Any:
    """Return the graph of an ONNX file, in onnx's or OpenVINO's representation."""
    if format == "onnx":
        import onnx

        return onnx.load(onnx_file)
    import openvino

    return openvino.convert_model(onnx_file)


def write_graph(graph: Any, name: str, folder: Path, format: Format) -> None:
    """Write NAME.onnx, or NAME.xml with its weights beside it as NAME.bin, in their current precision."""
    file = folder / f"{name}{FORMATS[format].suffix}"
    if format == "onnx":
        import onnx

        onnx.save(graph, file)
        return
    import openvino

    openvino.save_model(graph, file, compress_to_fp16=False)


def _name_by_module(node: Any) -> None:
    """Name a node after the module that it comes from, so that quantisation can exclude it by name."""
    scopes = node.metadata_props.get("pkg.torch.onnx.name_scopes", "")
    (module,) = re.findall(r"'([^']*)'", scopes)[-2:-1] or [""]
    node.name = f"{module}/{node.name}"


def _name_batch(value: Any) -> None:
    """Name the first dimension after what it counts."""
    import onnx_ir

    is_of_images = value.name in ("images", *IMAGE_OUTPUTS)
    value.shape = onnx_ir.Shape(["pictures" if is_of_images else "sentences", *list(value.shape)[1:]])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence torch's notices of missing libraries, which are not for users."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
