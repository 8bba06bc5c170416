"""Checkpoint folders: config.json, model.safetensors, tokenizer.json and README.md."""

import dataclasses
import errno
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cris.calibration import IDENTITY
from cris.model.build import build_cris
from cris.model.config import CrisConfig, InferenceConfig
from cris.model.cris import Cris
from cris.model.fill import Source, fill
from cris.model.tokenizer import Tokenizer

SCHEMA_VERSION = 2
CONFIG, WEIGHTS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "README.md"
TRAIN_STATE = "train_state.pt"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint folder holds."""

    model: Cris
    """In evaluation mode, as float32, on the CPU."""
    tokenizer: Tokenizer
    inference: InferenceConfig
    card: str
    """The model card, as Markdown."""


def save_checkpoint(
    folder: str | Path,
    model: Cris,
    tokenizer: Tokenizer,
    inference: InferenceConfig,
    card: str,
    *,
    dtype: Literal["float32", "float16"] = "float32",
    train_state: Mapping[str, object] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a checkpoint that is either whole or not there, also when the machine stops halfway.

    `train_state` is what a run needs to go on; it is stored beside the weights with `torch.save`. Raises
    ValueError when the folder is in use: `overwrite` replaces a checkpoint, never anything else.
    """
    if tokenizer.vocab_size != model.config.text.vocabulary:
        raise ValueError(
            f"the tokenizer must have the model's {model.config.text.vocabulary} tokens, "
            f"got {tokenizer.vocab_size}"
        )
    folder = Path(folder).resolve()
    _check_free(folder, overwrite=overwrite)
    unfinished = _beside(folder, "unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        config = {
            "schema_version": SCHEMA_VERSION,
            "model": dataclasses.asdict(model.config),
            "inference": dataclasses.asdict(inference),
        }
        (unfinished / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8", newline="\n")
        _save_weights(unfinished / WEIGHTS, model, getattr(torch, dtype))
        tokenizer.save(unfinished / TOKENIZER)
        (unfinished / CARD).write_text(card, encoding="utf-8", newline="\n")
        if train_state is not None:
            torch.save(dict(train_state), unfinished / TRAIN_STATE)
        _sync(unfinished)
        _put_in_place(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Reads a checkpoint folder; ValueError names the file that is missing, damaged or foreign."""
    folder = whole_checkpoint(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} must be a checkpoint folder, but there is no folder of that name")
    config = _read_config(_file(folder, CONFIG))
    tokenizer = Tokenizer.load(_file(folder, TOKENIZER))
    if tokenizer.vocab_size != config.model.text.vocabulary:
        raise ValueError(
            f"{folder / TOKENIZER} must have the {config.model.text.vocabulary} tokens that {CONFIG} names, "
            f"got {tokenizer.vocab_size}: the two are from different checkpoints"
        )
    try:
        model = build_cris(config.model)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise ValueError(f"{folder / CONFIG} describes a model that cannot be built: {error}") from error
    weights = _file(folder, WEIGHTS)
    try:
        tensors = load_file(weights)
    except SafetensorError as error:
        raise ValueError(f"{weights} is cut short or damaged ({error}): copy it again") from error
    fill(model, tensors, {name: Source(name) for name in model.state_dict()}, path=weights)
    try:
        card = _file(folder, CARD).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{folder / CARD} must be text in UTF-8: {error}") from error
    return Checkpoint(model=model.eval(), tokenizer=tokenizer, inference=config.inference, card=card)


def whole_checkpoint(folder: str | Path) -> Path:
    """Where to read: the folder itself, or what it was when a save that replaced it was cut short."""
    folder = Path(folder)
    previous = _beside(folder.resolve(), "previous")
    return previous if previous.is_dir() and not folder.exists() else folder


@dataclass(frozen=True, kw_only=True)
class _Config:
    model: CrisConfig
    inference: InferenceConfig


def _read_config(path: Path) -> _Config:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    version = content.pop("schema_version", None) if isinstance(content, dict) else None
    if type(version) is not int:
        raise ValueError(f"{path} has no schema_version: the folder is not a cris checkpoint")
    if not 1 <= version <= SCHEMA_VERSION:
        what = "update cris" if version > SCHEMA_VERSION else "no cris ever wrote it"
        raise ValueError(f"{path} must have schema_version 1 to {SCHEMA_VERSION}, got {version}: {what}")
    for step in range(version, SCHEMA_VERSION):
        content = MIGRATIONS[step](content)
    try:
        return _parsed(_Config, content, "")  # type: ignore[no-any-return]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _with_identity_calibration(content: dict[str, Any]) -> dict[str, Any]:
    """Version 2 added the calibration of scores; before it there was none."""
    inference = content.get("inference")
    if not isinstance(inference, dict):
        return content
    return content | {"inference": inference | {"calibration": dataclasses.asdict(IDENTITY)}}


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _with_identity_calibration}
"""Version of config.json → what turns its content into the next version's."""


def _parsed(kind: Any, value: object, name: str) -> Any:
    """A value from JSON as `kind`: a dataclass, tuple, Literal, float, int or str."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _parsed_fields(kind, value, name)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(value, list) and len(value) == len(parts):
        return tuple(_parsed(part, item, name) for part, item in zip(parts, value, strict=True))
    if origin is Literal and any(type(value) is type(part) and value == part for part in parts):
        return value
    if kind is float and isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if kind in (int, str) and type(value) is kind:
        return value
    raise ValueError(f"{name} must be {kind if origin else kind.__name__}, got {value!r}")


def _parsed_fields(kind: type, value: object, name: str) -> Any:
    kinds = get_type_hints(kind)
    given = value if isinstance(value, dict) else {}
    if given.keys() != kinds.keys():
        missing, unknown = sorted(kinds.keys() - given.keys()), sorted(given.keys() - kinds.keys())
        raise ValueError(f"{name or 'the top level'} has missing keys {missing} and unknown keys {unknown}")
    return kind(**{key: _parsed(kinds[key], given[key], f"{name}.{key}".lstrip(".")) for key in kinds})


def _save_weights(path: Path, model: Cris, dtype: torch.dtype) -> None:
    weights: dict[str, Tensor] = {}
    parameters = dict(model.named_parameters())
    for name, tensor in model.state_dict().items():
        # BatchNorm's statistics keep their type: variances go beyond float16, and are few
        stored = tensor.detach().to("cpu", dtype if name in parameters else tensor.dtype).contiguous()
        if not stored.isfinite().all():
            raise ValueError(f"{name} has values that are not finite as {dtype}: not saved")
        weights[name] = stored
    try:
        save_file(weights, path, metadata={"format": "pt"})
    except SafetensorError as error:  # the library hides the system's error number in its text
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        needed = ", ".join((CONFIG, WEIGHTS, TOKENIZER, CARD))
        raise ValueError(f"{folder} has no {name}: a checkpoint is a folder with {needed}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is a link that leads out of its folder: put the file itself there")
    return path


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} must be a folder, but it is a file: choose another name")
    names = {path.name for path in folder.iterdir()}
    if foreign := sorted(names - {CONFIG, WEIGHTS, TOKENIZER, CARD, TRAIN_STATE}):
        raise ValueError(f"{folder} holds other files ({foreign[0]}, for one): choose a new folder")
    if names and not overwrite:
        raise ValueError(f"{folder} already holds a checkpoint: choose another folder, or overwrite it")


def _sync(folder: Path) -> None:
    """Has the system write the folder's files to the disk, so that none is empty after a power cut."""
    if os.name == "posix":  # elsewhere a file opened for reading cannot be synced
        for path in [*folder.iterdir(), folder]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _put_in_place(unfinished: Path, folder: Path) -> None:
    previous = _beside(folder, "previous")
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    unfinished.rename(folder)
    shutil.rmtree(previous, ignore_errors=True)
