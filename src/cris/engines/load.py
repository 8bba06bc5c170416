"""From a model's name to the engine that runs it; exports on first use where the engine needs it."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cris import __version__
from cris.engines.engine import Engine, EngineName, Precision
from cris.engines.export_folder import ENGINES, Exported, Format, is_exported, read_exported
from cris.errors import BUG, InputError
from cris.files import sha256_of
from cris.model.config import CrisConfig, InferenceConfig
from cris.model.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model that is ready for inference."""

    engine: Engine
    tokenizer: Tokenizer
    inference: InferenceConfig


def load_model(
    name_or_folder: str | Path,
    device: str = "auto",
    *,
    engine: EngineName | None = None,
    precision: Precision | None = None,
    is_compiled: bool = False,
) -> LoadedModel:
    """Return a registered model, a checkpoint or an exported folder, on the requested engine.

    By default a checkpoint runs on torch in fp32, and an exported folder as it was exported.
    Raises InputError for a model that does not exist, and for an engine or precision that an exported folder
    does not have.
    """
    from cris.registry import resolve

    if engine not in (None, "torch", "onnx", "openvino"):
        raise InputError(f"engine must be torch, onnx or openvino, got {engine!r}")
    if precision not in (None, "fp32", "bf16", "int8"):
        raise InputError(f"precision must be fp32, bf16 or int8, got {precision!r}")
    folder = resolve(name_or_folder)
    if is_exported(folder):
        return _open_exported(read_exported(folder), device, engine, precision, is_compiled=is_compiled)
    if engine in (None, "torch"):
        return _open_checkpoint(folder, device, precision or "fp32", is_compiled=is_compiled)
    assert engine is not None
    exported = export_once(folder, engine, precision or "fp32")
    return _open_exported(exported, device, engine, precision, is_compiled=is_compiled)


def load_graphs(
    folder: Path, format: Format, precision: Precision, config: CrisConfig, device: str = "auto"
) -> Engine:
    """Return the engine for the two graphs in a folder."""
    if format == "onnx":
        from cris.engines.onnx_engine import OnnxEngine

        return OnnxEngine(folder, config, device)
    if format == "openvino":
        from cris.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(folder, config, device, precision)
    from cris.engines.program_engine import ProgramEngine

    return ProgramEngine(folder, config, device)


def export_once(checkpoint: Path, engine: EngineName, precision: Precision) -> Exported:
    """Return the checkpoint exported for that engine; `cris export` runs once, and its result is kept.

    It runs in its own process, so that its memory is freed and inference imports neither torch nor scenes.
    """
    from filelock import FileLock

    from cris.weights import cache_folder

    parts = hashlib.sha256(__version__.encode())
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        path = checkpoint / name
        if not path.is_file():
            raise InputError(f"{checkpoint} has no {name}: expected a checkpoint or a folder of cris export")
        parts.update(bytes.fromhex(sha256_of(path)))
    out = cache_folder() / "exports" / f"{parts.hexdigest()[:16]}-{engine}-{precision}"
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.with_name(f"{out.name}.lock")):
        if not is_exported(out):
            wishes = ("--format", engine, "--precision", precision, "--out", out)
            command = [sys.executable, "-m", "cris", "export", str(checkpoint), *map(str, wishes)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == BUG:
                raise RuntimeError(f"the export failed:\n{done.stderr}")
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise InputError(
                    f"the model could not be exported for engine {engine} in {precision}: "
                    f"{reason.removeprefix('cris: error: ')}"
                )
    return read_exported(out)


def _open_exported(
    exported: Exported,
    device: str,
    engine: EngineName | None,
    precision: Precision | None,
    *,
    is_compiled: bool,
) -> LoadedModel:
    if is_compiled:
        raise InputError(f"{exported.folder} is exported, so it cannot be compiled: name the checkpoint")
    if engine not in (None, ENGINES[exported.format]) or precision not in (None, exported.precision):
        raise InputError(
            f"{exported.folder} is a model for engine {ENGINES[exported.format]} in {exported.precision}, "
            f"asked for was {engine or 'any engine'} in {precision or 'any precision'}: export it so"
        )
    return LoadedModel(
        engine=load_graphs(
            exported.folder, exported.format, exported.precision, exported.config.model, device
        ),
        tokenizer=exported.tokenizer,
        inference=exported.config.inference,
    )


def _open_checkpoint(folder: Path, device: str, precision: Precision, *, is_compiled: bool) -> LoadedModel:
    from cris.checkpoint import load_checkpoint
    from cris.engines.torch_engine import TorchEngine
    from cris.model.fuse import fuse, to_bfloat16

    if precision == "int8":
        raise InputError("the engine torch runs in fp32 or bf16, got int8: use engine openvino or onnx")
    checkpoint = load_checkpoint(folder)
    model = fuse(checkpoint.model)
    return LoadedModel(
        engine=TorchEngine(
            to_bfloat16(model) if precision == "bf16" else model,
            device,
            is_fixed=True,
            is_compiled=is_compiled,
        ),
        tokenizer=checkpoint.tokenizer,
        inference=checkpoint.inference,
    )
