"""Exported folders: two graphs, config.json, tokenizer.json, results.json and README.md."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cris.config_file import StoredConfig, read_config
from cris.engines.engine import EngineName, Precision
from cris.errors import InputError
from cris.model.tokenizer import Tokenizer

Format = Literal["onnx", "openvino", "pt2"]
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "pt2": ".pt2"}
"""Format → what the names of its graphs end with."""
ENGINES: dict[Format, EngineName] = {"onnx": "onnx", "openvino": "openvino", "pt2": "torch"}
"""Format → the engine that runs it."""
PRECISIONS: dict[Format, tuple[Precision, ...]] = {
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    "pt2": ("fp32", "bf16"),
}
"""Format → the precisions it is exported in."""
RECORD = "results.json"
SCHEMA_VERSION = 1
PICTURE_OUTPUTS = ("coarse", "middle", "fine")
"""What the graph of pictures gives and the graph of sentences takes, as in `PictureFeatures`."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an exported folder says of itself."""

    folder: Path
    format: Format
    precision: Precision
    config: StoredConfig
    tokenizer: Tokenizer


def is_exported(folder: Path) -> bool:
    """Whether the folder is what `cris export` writes."""
    try:
        return bool(json.loads((folder / RECORD).read_text(encoding="utf-8"))["job"] == "export")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def read_exported(folder: str | Path) -> Exported:
    """Reads all but the graphs; InputError names the file that is missing or foreign."""
    folder = Path(folder)
    record = _file(folder, RECORD)
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        version, kind, precision = (content[key] for key in ("schema_version", "format", "precision"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{record} is not what cris export writes: export the model again") from error
    if version != SCHEMA_VERSION or precision not in PRECISIONS.get(kind, ()):
        raise InputError(
            f"{record} must have schema_version {SCHEMA_VERSION} and a known format and precision, "
            f"got {version!r}, {kind!r} and {precision!r}: update cris, or export the model again"
        )
    graph_files(folder, kind)
    return Exported(
        folder=folder,
        format=kind,
        precision=precision,
        config=read_config(_file(folder, "config.json")),
        tokenizer=Tokenizer.load(_file(folder, "tokenizer.json")),
    )


def graph_files(folder: Path, kind: Format) -> tuple[Path, Path]:
    """The graph of pictures and the graph of sentences."""
    return _file(folder, f"picture{SUFFIXES[kind]}"), _file(folder, f"sentence{SUFFIXES[kind]}")


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise InputError(f"{folder} has no {name}: expected a folder that cris export wrote")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path} is a link that leads out of its folder: put the file itself there")
    return path
