"""Copying of tensors from a file into a model, all of them or none."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from cris.errors import InputError


class TensorSource(NamedTuple):
    """Place of one of our tensors in a file, and the step that makes it from what is there."""

    key: str
    read: Callable[[Tensor], Tensor] = lambda tensor: tensor


def load_tensors(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    sources: Mapping[str, TensorSource],
    *,
    unused: Collection[str] = (),
    path: str | Path,
) -> None:
    """Copy tensors into the model, cast to its types; entries without a source stay as they are.

    Raises InputError naming tensors that are missing, misshapen, or in the file and neither needed nor
    `unused`.
    """
    weights: dict[str, Tensor] = {}
    # as dicts: several of ours can come from one of theirs, which then has one place in the list
    missing: dict[str, None] = {}
    misshapen: dict[str, None] = {}
    unexpected = dict.fromkeys(key for key in tensors if key not in unused)
    expected = model.state_dict()
    for ours, source in sources.items():
        unexpected.pop(source.key, None)
        if source.key in tensors:
            tensor = _read(source, tensors[source.key])
            if tensor is not None and tensor.shape == expected[ours].shape:
                weights[ours] = tensor
            else:
                misshapen[f"{source.key} {tuple(tensors[source.key].shape)}"] = None
        # some files leave out BatchNorm's counters, which nothing here reads
        elif not source.key.endswith("num_batches_tracked"):
            missing[source.key] = None
    problems = {"missing": [*missing], "unexpected": [*unexpected], "misshapen": [*misshapen]}
    if any(problems.values()):
        raise InputError(f"{path} does not fit the model: {_listed(problems)}")
    model.load_state_dict(expected | weights)


def _read(source: TensorSource, tensor: Tensor) -> Tensor | None:
    try:
        return source.read(tensor)
    except (RuntimeError, IndexError, TypeError):  # too few dimensions, or rows that do not divide
        return None


def _listed(problems: Mapping[str, list[str]]) -> str:
    return "; ".join(
        f"{len(names)} {kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for kind, names in problems.items()
        if names
    )
