"""Weights stored in eight bits: an integer for each, and one scale for each output row."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, Float32, Int8
from torch import Tensor

from cris.errors import InputError

LARGEST = 127
"""Integer for a row's largest weight; -128 is not used, so that a row and its negative round alike."""
SCALE = ".scale"
"""Suffix of the tensor that holds the scales of the tensor named before it."""


def quantize_rows(
    weight: Float[Tensor, "rows columns"],
) -> tuple[Int8[Tensor, "rows columns"], Float32[Tensor, "rows"]]:
    """Return the weights as integers, rounded to the nearest, and the scale to multiply each row with."""
    weight = weight.float()
    scale = weight.abs().amax(dim=1) / LARGEST
    # a row of zeros has the scale 0, and stays one
    divisor = scale.where(scale > 0, 1.0)
    return (weight / divisor[:, None]).round().to(torch.int8), scale


def dequantize(tensors: Mapping[str, Tensor], *, path: str | Path) -> dict[str, Tensor]:
    """Return all tensors of a file, those that have scales as float32, without the scales.

    Raises:
        InputError: names the first tensor that has no scales, or scales that do not fit it.
    """
    weights = {}
    for name, tensor in tensors.items():
        stored = name.removesuffix(SCALE)
        if stored != name and stored in tensors:
            continue
        scale = tensors.get(name + SCALE)
        if scale is None and tensor.dtype != torch.int8:
            weights[name] = tensor
            continue
        if scale is None or tensor.dtype != torch.int8 or not _fits(scale, tensor):
            raise InputError(
                f"{path} is damaged: {name} must be rows of int8, with a finite float32 for each row in "
                f"{name}{SCALE}, got {_described(tensor)} and {_described(scale)}: copy the file again"
            )
        weights[name] = tensor.float() * scale[:, None]
    return weights


def _fits(scale: Tensor, tensor: Tensor) -> bool:
    is_finite = scale.dtype == torch.float32 and bool(scale.isfinite().all())
    return is_finite and tensor.ndim == 2 and scale.shape == tensor.shape[:1]


def _described(tensor: Tensor | None) -> str:
    if tensor is None:
        return "nothing"
    not_finite = "" if tensor.isfinite().all() else ", not all finite"
    return f"{tensor.dtype} {tuple(tensor.shape)}{not_finite}".removeprefix("torch.")
