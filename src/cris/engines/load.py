"""From a model's name to the engine that runs it."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from cris.config_file import CONFIG, read_config
from cris.engines.engine import Engine
from cris.engines.export_folder import Exported, is_exported, read_exported
from cris.engines.formats import FORMATS, EngineName, Format, Precision
from cris.errors import InputError
from cris.huggingface.descriptor import is_huggingface
from cris.model.config import CrisConfig, InferenceConfig
from cris.model.tokenizer import Tokenizer

if TYPE_CHECKING:
    from cris.model.encoders import OwnImageEncoder


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
    image_encoder: "OwnImageEncoder | None" = None,
) -> LoadedModel:
    """Return a registered model, a checkpoint or an exported folder, on the requested engine.

    By default a checkpoint runs on torch in fp32, and an exported folder as it was exported.

    Raises:
        InputError: there is no such model, or a folder does not have that engine or precision.
    """
    from cris.registry import resolve

    _check_known("engine", engine, get_args(EngineName))
    _check_known("precision", precision, get_args(Precision))
    folder = resolve(name_or_folder)
    if is_exported(folder):
        if image_encoder is not None:
            raise InputError(f"{folder} is exported with its image encoder: leave image_encoder out")
        return _load_exported(read_exported(folder), device, engine, precision, is_compiled=is_compiled)
    if engine not in (None, "torch"):
        raise InputError(f"{folder} is a checkpoint, which the engine torch runs, got {engine}: export it")
    return _load_checkpoint(
        folder, device, precision or "fp32", is_compiled=is_compiled, image_encoder=image_encoder
    )


def read_inference(folder: Path) -> InferenceConfig:
    """Return a model's inference settings, without its weights; InputError when the folder has no model."""
    if is_huggingface(folder):
        from cris.huggingface.load import prompted_inference

        return prompted_inference(folder)
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is no checkpoint folder: it has no {CONFIG}")
    return read_config(folder / CONFIG).inference


def load_graphs(
    folder: Path, format: Format, precision: Precision, config: CrisConfig, device: str = "auto"
) -> Engine:
    """Return the engine for the two graphs in a folder."""
    module, name = FORMATS[format].runner
    kind = getattr(importlib.import_module(module), name)
    return kind(folder, config, device, precision)  # type: ignore[no-any-return]


def _check_known(what: str, wanted: str | None, known: Sequence[str]) -> None:
    if wanted is not None and wanted not in known:
        names = f"{', '.join(known[:-1])} or {known[-1]}"
        raise InputError(f"{what} must be {names}, got {wanted!r}")


def _load_exported(
    exported: Exported,
    device: str,
    engine: EngineName | None,
    precision: Precision | None,
    *,
    is_compiled: bool,
) -> LoadedModel:
    if is_compiled:
        raise InputError(f"{exported.folder} is exported, so it cannot be compiled: name the checkpoint")
    if engine not in (None, exported.engine) or precision not in (None, exported.precision):
        raise InputError(
            f"{exported.folder} is a model for engine {exported.engine} in {exported.precision}, "
            f"asked for was {engine or 'any engine'} in {precision or 'any precision'}: export it so"
        )
    return LoadedModel(
        engine=load_graphs(
            exported.folder, exported.format, exported.precision, exported.config.model, device
        ),
        tokenizer=exported.tokenizer,
        inference=exported.config.inference,
    )


def _load_checkpoint(
    folder: Path,
    device: str,
    precision: Precision,
    *,
    is_compiled: bool,
    image_encoder: "OwnImageEncoder | None",
) -> LoadedModel:
    from cris.checkpoint import load_checkpoint
    from cris.engines.torch_engine import TorchEngine
    from cris.model.fuse import fuse, to_bfloat16

    if precision == "int8":
        raise InputError("the engine torch runs in fp32 or bf16, got int8: use engine openvino or onnx")
    checkpoint = load_checkpoint(folder, image_encoder=image_encoder)
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
