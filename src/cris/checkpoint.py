"""Checkpoint folders: config.json, model.safetensors, tokenizer.json and README.md."""

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cris.config_file import CONFIG, StoredConfig, read_config, write_config
from cris.errors import InputError
from cris.files import atomic_folder, whole_folder
from cris.model.build import build_cris, build_uninitialized
from cris.model.config import CustomImageConfig, InferenceConfig
from cris.model.cris import Cris
from cris.model.encoders import OwnImageEncoder
from cris.model.int8 import SCALE, dequantize, quantize_rows
from cris.model.state_dict import TensorSource, load_tensors
from cris.model.tokenizer import Tokenizer

WEIGHTS, TOKENIZER, CARD = "model.safetensors", "tokenizer.json", "README.md"
TRAIN_STATE = "train_state.pt"
Dtype = Literal["float32", "float16", "int8"]
"""Storage type of the weights; they are loaded as float32."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Contents of a checkpoint folder."""

    model: Cris
    """Model in evaluation mode, as float32, on the CPU."""
    tokenizer: Tokenizer
    inference: InferenceConfig
    card: str
    """Model card, as Markdown."""


def save_checkpoint(
    folder: str | Path,
    model: Cris,
    tokenizer: Tokenizer,
    inference: InferenceConfig,
    card: str,
    *,
    dtype: Dtype = "float32",
    train_state: Mapping[str, object] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a checkpoint atomically, also when the machine stops halfway.

    `train_state` is what a run needs to go on; it is stored beside the weights with `torch.save`. With the
    dtype int8 the embedding and the linear layers of the text encoder have 8 bits a weight, all others 16.
    Raises InputError when the folder is in use: `overwrite` replaces a checkpoint, never anything else.
    """
    if tokenizer.vocab_size != model.config.text.vocabulary:
        raise InputError(
            f"the tokenizer must have the model's {model.config.text.vocabulary} tokens, "
            f"got {tokenizer.vocab_size}"
        )
    folder = Path(folder).resolve()
    _check_free(folder, overwrite=overwrite)
    with atomic_folder(folder, is_synced=True) as unfinished:
        write_config(unfinished / CONFIG, StoredConfig(model=model.config, inference=inference))
        _save_weights(unfinished / WEIGHTS, model, dtype)
        tokenizer.save(unfinished / TOKENIZER)
        (unfinished / CARD).write_text(card, encoding="utf-8", newline="\n")
        if train_state is not None:
            torch.save(dict(train_state), unfinished / TRAIN_STATE)


def load_checkpoint(folder: str | Path, *, image_encoder: OwnImageEncoder | None = None) -> Checkpoint:
    """Read a checkpoint folder.

    Args:
        folder: the folder.
        image_encoder: the caller's own image encoder, as `build_cris` takes it, where the model was trained
            with one; it gets the stored weights.

    Raises:
        InputError: names a file that is missing, damaged or foreign, or the image encoder to pass.
    """
    folder = whole_folder(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} must be a checkpoint folder, but there is no folder of that name")
    config = read_config(_file(folder, CONFIG))
    tokenizer = Tokenizer.load(_file(folder, TOKENIZER))
    if tokenizer.vocab_size != config.model.text.vocabulary:
        raise InputError(
            f"{folder / TOKENIZER} must have the {config.model.text.vocabulary} tokens that {CONFIG} names, "
            f"got {tokenizer.vocab_size}: the two are from different checkpoints"
        )
    image = config.model.image
    if isinstance(image, CustomImageConfig) and image_encoder is None:
        raise InputError(
            f"{folder} holds a model whose image encoder is not of cris: pass image_encoder={image.name}"
        )
    if not isinstance(image, CustomImageConfig) and image_encoder is not None:
        raise InputError(
            f"{folder} holds a model with the image encoder {image.kind} of cris: leave image_encoder out"
        )
    try:
        if image_encoder is None:
            model = build_uninitialized(config.model)
        else:
            model = build_cris(config.model, image_encoder=image_encoder)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"{folder / CONFIG} describes a model that cannot be built: {error}") from error
    weights = _file(folder, WEIGHTS)
    try:
        tensors = load_file(weights)
    except SafetensorError as error:
        raise InputError(f"{weights} is cut short or damaged ({error}): copy it again") from error
    tensors = dequantize(tensors, path=weights)
    load_tensors(model, tensors, {name: TensorSource(name) for name in model.state_dict()}, path=weights)
    try:
        card = _file(folder, CARD).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{folder / CARD} must be text in UTF-8: {error}") from error
    return Checkpoint(model=model.eval(), tokenizer=tokenizer, inference=config.inference, card=card)


def _save_weights(path: Path, model: Cris, dtype: Dtype) -> None:
    weights: dict[str, Tensor] = {}
    parameters = dict(model.named_parameters())
    # in the text encoder alone, whose embedding and linear layers are two thirds of a small model
    names = model.text_encoder.int8_weights() if dtype == "int8" else ()
    rows = {f"text_encoder.{name}" for name in names}
    plain = torch.float16 if dtype == "int8" else getattr(torch, dtype)
    for name, tensor in model.state_dict().items():
        # BatchNorm's statistics keep their type: variances go beyond float16, and are few
        kept = tensor.dtype if name not in parameters or name in rows else plain
        stored = tensor.detach().to("cpu", kept).contiguous()
        if not stored.isfinite().all():
            raise InputError(f"{name} has values that are not finite as {kept}: not saved")
        if name in rows:
            stored, weights[name + SCALE] = quantize_rows(stored)
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
        raise InputError(f"{folder} has no {name}: a checkpoint is a folder with {needed}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path} is a link that leads out of its folder: put the file itself there")
    return path


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder, but it is a file: choose another name")
    names = {path.name for path in folder.iterdir()}
    if foreign := sorted(names - {CONFIG, WEIGHTS, TOKENIZER, CARD, TRAIN_STATE}):
        raise InputError(f"{folder} holds other files ({foreign[0]}, for one): choose a new folder")
    if names and not overwrite:
        raise InputError(f"{folder} already holds a checkpoint: choose another folder, or overwrite it")
