"""Safe reading of tensors from untrusted files: nothing in the files is ever run."""

import io
import math
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cris.errors import InputError

STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
PLACES = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
"""Keys under which training scripts save a model's state dict, the most reliable first."""
WRAPPERS = ("module.", "model.", "net.", "network.")
"""Prefixes that distributed training and Lightning put before the names of all tensors."""
NUMPY_SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype")
"""NumPy scalars that training scripts save beside their tensors (a best score, say), in old and new NumPy."""


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Return the named tensors of a safetensors file, a `torch.save` file or a TorchScript archive.

    A state dict under "state_dict", "model" and the like is unwrapped, and prefixes that wrappers add to
    names are removed, such as DDP's "module." and the "_orig_mod." of torch.compile.
    Raises InputError when the file cannot be read or would need code to run.
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise InputError(f"{path} is {what}: expected a file of weights")
    if path.suffix == ".safetensors":
        tensors = _read_safetensors(path)
    elif root := _torchscript_root(path):
        tensors = _read_torchscript(path, root)
    else:
        tensors = _read_torch_save(path)
    if not tensors:
        raise InputError(f"{path} holds no named tensors: expected a state dict")
    return _without_wrappers(tensors)


def _without_wrappers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names that the model itself gave them."""
    # torch.compile wraps single modules, too, so that its mark may stand anywhere
    own = {name.replace("_orig_mod.", ""): tensor for name, tensor in tensors.items()}
    while prefix := next((each for each in WRAPPERS if all(name.startswith(each) for name in own)), None):
        own = {name.removeprefix(prefix): tensor for name, tensor in own.items()}
    return own


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}; fetch it again") from error


class _Ignored:
    """Placeholder for a value that is of no use here."""

    def __init__(self, *arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def _read_torch_save(path: Path) -> dict[str, Tensor]:
    scalars: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (_Ignored, name) for name in NUMPY_SCALARS
    ]
    try:
        with torch.serialization.safe_globals(scalars):
            # mapped, so that an optimizer's state in the same file is never read
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch has no one error for a malformed file
        refused = re.search(r"GLOBAL (\S+)", str(error))
        why = f"needs {refused[1]}, which could run code" if refused else "is cut short or of another kind"
        raise InputError(f"{path} is not a file of plain tensors: it {why}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} must hold a state dict, got {type(content).__name__}")
    content = next((content[key] for key in PLACES if _is_state_dict(content.get(key))), content)
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _is_state_dict(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(each, Tensor) for each in value.values())


def _torchscript_root(path: Path) -> str | None:
    """Return the top folder inside a TorchScript archive, None for any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return None
    return next((name.split("/")[0] for name in names if name.endswith("/constants.pkl")), None)


def _read_torchscript(path: Path, root: str) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            module = _TorchScriptReader(archive, root).load()
        return dict(_named_tensors(module, "", set()))
    except Exception as error:  # whatever a malformed pickle makes Python raise
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a readable TorchScript archive of weights: {reason}") from error


class _Module:
    """Placeholder for a TorchScript class: holds attributes, does nothing."""


def _named_tensors(module: object, prefix: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(module, _Module) or id(module) in seen:
        return
    seen.add(id(module))
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        else:
            yield from _named_tensors(value, f"{prefix}{name}.", seen)


class _TorchScriptReader(pickle.Unpickler):
    """Unpickler for the object tree of a TorchScript archive; admits tensors and inert placeholders only."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self.archive, self.root = archive, root
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        # bound methods and new classes only: a pickle cannot alter them for those who read after it
        if module.split(".")[0] == "__torch__":
            return type("Module", (_Module,), {})
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if module == "torch.jit._pickle":  # typed lists and the like: sizes and options of modules
            return self._ignore
        raise pickle.UnpicklingError(f"it needs {module}.{name}, which could run code")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _device, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"expected a storage of numbers, got {kind!r}")
        if key not in self.storages:
            data = bytearray(self.archive.read(f"{self.root}/data/{key}"))
            if len(data) != count * dtype.itemsize:
                raise pickle.UnpicklingError(f"storage {key} has {len(data)} bytes, not {count} {dtype}")
            # frombuffer refuses an empty buffer
            self.storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self.storages[key]

    def _tensor(
        self, storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: object
    ) -> Tensor:
        if math.prod(size) > storage.numel():
            raise pickle.UnpicklingError(f"a tensor of shape {size} must fit {storage.numel()} numbers")
        return storage.as_strided(size, stride, offset)

    def _ignore(self, *_arguments: object) -> None:
        return None
