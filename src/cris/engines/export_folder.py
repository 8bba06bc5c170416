"""Exported folders: two graphs, config.json, tokenizer.json, README.md, and export.json with the format."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cris.config_file import StoredConfig, read_config
from cris.engines.formats import FORMATS, EngineName, Format, Precision
from cris.errors import InputError
from cris.model.tokenizer import Tokenizer

METADATA = "export.json"
_OLD_METADATA = "results.json"
"""Old name of the metadata file, which `cris export` wrote before export.json."""
SCHEMA_VERSION = 1
IMAGE_OUTPUTS = ("coarse", "middle", "fine")
"""Outputs of the image graph and inputs of the sentence graph, as in `ImageFeatures`."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Metadata of an exported folder."""

    folder: Path
    format: Format
    precision: Precision
    config: StoredConfig
    tokenizer: Tokenizer

    @property
    def engine(self) -> EngineName:
        """Return the engine that runs it."""
        return FORMATS[self.format].engine


def is_exported(folder: Path) -> bool:
    """Check whether the folder was written by `cris export` or `export_model`."""
    return (folder / METADATA).is_file() or _is_old(folder)


def write_metadata(folder: Path, format: Format, precision: Precision, versions: Mapping[str, str]) -> None:
    """Write the metadata of an exported folder; `versions` of the packages that made it are for people."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "format": format,
        "precision": precision,
        "versions": dict(versions),
    }
    text = json.dumps(content, indent=2) + "\n"
    (folder / METADATA).write_text(text, encoding="utf-8", newline="\n")


def read_exported(folder: str | Path) -> Exported:
    """Read all but the graphs; InputError names the file that is missing or foreign."""
    folder = Path(folder)
    metadata = _file(folder, _OLD_METADATA if _is_old(folder) else METADATA)
    try:
        content = json.loads(metadata.read_text(encoding="utf-8"))
        version, kind, precision = (content[key] for key in ("schema_version", "format", "precision"))
        is_known = version == SCHEMA_VERSION and kind in FORMATS and precision in FORMATS[kind].precisions
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{metadata} is not what cris export writes: export the model again") from error
    if not is_known:
        raise InputError(
            f"{metadata} must have schema_version {SCHEMA_VERSION} and a known format and precision, "
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


def _is_old(folder: Path) -> bool:
    if (folder / METADATA).is_file():
        return False
    try:
        return bool(json.loads((folder / _OLD_METADATA).read_text(encoding="utf-8"))["job"] == "export")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def graph_files(folder: Path, kind: Format) -> tuple[Path, Path]:
    """Return the files of the image graph and the sentence graph."""
    suffix = FORMATS[kind].suffix
    return _file(folder, f"picture{suffix}"), _file(folder, f"sentence{suffix}")


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise InputError(f"{folder} has no {name}: expected a folder that cris export wrote")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path} is a link that leads out of its folder: put the file itself there")
    return path
