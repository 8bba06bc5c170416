"""Exports that a segmenter asks for: made on first use, and kept in the cache."""

import hashlib
from pathlib import Path

from filelock import FileLock

from cris import __version__
from cris.engines.export_folder import is_exported
from cris.engines.formats import Format, Precision
from cris.errors import InputError
from cris.export.export import export_model
from cris.files import sha256_of
from cris.weights import cache_folder


def cached_export(checkpoint: Path, format: Format, precision: Precision) -> Path:
    """Return the folder of a checkpoint's export; other processes that want the same wait for the first.

    Raises:
        InputError: as `export_model`, or the folder holds no checkpoint.
    """
    parts = hashlib.sha256(__version__.encode())
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        path = checkpoint / name
        if not path.is_file():
            raise InputError(f"{checkpoint} has no {name}: expected a checkpoint or a folder of cris export")
        parts.update(bytes.fromhex(sha256_of(path)))
    out = cache_folder() / "exports" / f"{parts.hexdigest()[:16]}-{format}-{precision}"
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.with_name(f"{out.name}.lock")):
        if not is_exported(out):
            export_model(checkpoint, out, format=format, precision=precision)
    return out
