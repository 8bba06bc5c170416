"""Errors that users can mend, and the one line that explains each."""

import errno

from cris.errors import InputError
from cris.errors import UsageError as UsageError

EXTRAS: dict[str, tuple[str, ...]] = {
    **{"pyarrow": ("data", "eval", "train", "batch"), "jinja2": ("data", "demo", "eval", "train")},
    **{"matplotlib": ("eval", "train"), "lightning_fabric": ("train",)},
    **dict.fromkeys(
        ("fastapi", "uvicorn", "gradio", "httpx", "prometheus_client", "python_multipart"), ("serve",)
    ),
    **dict.fromkeys(("fsspec", "ray", "s3fs"), ("batch",)),
    **dict.fromkeys(("onnx", "onnx_ir", "onnxscript", "onnxruntime", "openvino", "nncf"), ("export",)),
    "av": ("video",),
    **dict.fromkeys(("tensorboard", "trackio", "wandb"), ("track",)),
    "transformers": ("hf",),
}
"""Package that the base install lacks → the extras that bring it, the smallest first."""
BASE: dict[str, str] = {
    **{name: name for name in ("torch", "numpy", "pycocotools", "tokenizers", "ftfy", "safetensors")},
    **{name: name for name in ("huggingface_hub", "filelock", "tyro", "jaxtyping", "rich")},
    **{"cv2": "opencv-python-headless", "PIL": "pillow"},
}
"""Package of the base install → the requirement that brings it."""
_TRAINING = ("ablate", "audit", "reproduce")
"""Commands that need what `cris train` needs; others have an extra of their own name, or none."""


def explain(error: Exception, command: str = "") -> str | None:
    """Return one line for the user of that command; None for a bug, whose traceback we want to see."""
    match error:
        case OSError():
            line = _explain_os(error)
        case MemoryError():
            line = str(error) or "out of memory"
        case ModuleNotFoundError(name=str(name)) if name in EXTRAS:
            line = f"this needs {name}, which is not installed: pip install 'cris[{_extra(name, command)}]'"
        case ModuleNotFoundError(name=str(name)) if name in BASE:
            line = f"this needs {name}, which is not installed: pip install {BASE[name]}"
        case InputError():
            line = str(error)
        case _:
            return None
    return " ".join(line.split())


def _extra(package: str, command: str) -> str:
    """Return the command's own extra where that brings the package, so that nothing is missing after it."""
    own = "train" if command in _TRAINING else command
    return own if own in EXTRAS[package] else EXTRAS[package][0]


def _explain_os(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" at {error.filename}" if error.filename else ""
        return f"the disk is full{where}: free some space, or write elsewhere with --out; nothing was kept"
    if error.filename and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error) or type(error).__name__
