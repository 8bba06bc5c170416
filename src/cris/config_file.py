"""Reader, writer and migrations of config.json, the configuration of a model."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cris.calibration import IDENTITY
from cris.errors import InputError
from cris.model.config import CLIP_VOCABULARY, CrisConfig, InferenceConfig

CONFIG = "config.json"
"""File name in the folder of a checkpoint or of an export."""
SCHEMA_VERSION = 5


@dataclass(frozen=True, kw_only=True)
class StoredConfig:
    """Contents of config.json."""

    model: CrisConfig
    inference: InferenceConfig


def write_config(path: Path, config: StoredConfig) -> None:
    """Write the config.json that `read_config` reads."""
    content = {"schema_version": SCHEMA_VERSION} | to_json(config)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")


def read_config(path: Path) -> StoredConfig:
    """Return a config.json's contents, migrated; raise InputError that names what is missing or foreign."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from error
    version = content.pop("schema_version", None) if isinstance(content, dict) else None
    if type(version) is not int:
        raise InputError(f"{path} has no schema_version: the folder is not a cris checkpoint")
    if not 1 <= version <= SCHEMA_VERSION:
        what = "update cris" if version > SCHEMA_VERSION else "no cris ever wrote it"
        raise InputError(f"{path} must have schema_version 1 to {SCHEMA_VERSION}, got {version}: {what}")
    for step in range(version, SCHEMA_VERSION):
        content = MIGRATIONS[step](content)
    try:
        return parsed(StoredConfig, content)  # type: ignore[no-any-return]
    except (InputError, OverflowError) as error:  # a whole number that is no float is the latter
        raise InputError(f"{path}: {error}") from error


def to_json(config: Any) -> dict[str, Any]:
    """Return a dataclass as JSON has it: its fields, after its `kind` where it has one."""
    fields = {each.name: getattr(config, each.name) for each in dataclasses.fields(config)}
    kind = {"kind": config.kind} if hasattr(config, "kind") else {}
    return kind | {
        name: to_json(value) if dataclasses.is_dataclass(value) else value for name, value in fields.items()
    }


def _with_identity_calibration(content: dict[str, Any]) -> dict[str, Any]:
    """Add the identity calibration of scores, which version 2 introduced."""
    inference = content.get("inference")
    if not isinstance(inference, dict):
        return content
    return content | {"inference": inference | {"calibration": dataclasses.asdict(IDENTITY)}}


def _with_kinds_of_encoders(content: dict[str, Any]) -> dict[str, Any]:
    """Add the kinds of encoders, alignment and the peak's threshold of version 3; before it all was CLIP."""
    model, inference = content.get("model"), content.get("inference")
    if not isinstance(model, dict) or not isinstance(inference, dict):
        return content
    added: dict[str, dict[str, Any]] = {
        "image": {"kind": "clip_resnet"},
        "text": {"kind": "clip_text"},
        "neck": {"alignment": False},
    }
    parts = {
        name: model[name] | fields for name, fields in added.items() if isinstance(model.get(name), dict)
    }
    return content | {"model": model | parts, "inference": inference | {"peak_threshold": 0.0}}


def _with_presence_and_tokenizer(content: dict[str, Any]) -> dict[str, Any]:
    """Add what version 4 introduced: presence, the guided filter and the tokenizer.

    Earlier models had neither head nor filter, and their tokenizer followed from the vocabulary's size.
    """
    model, inference = content.get("model"), content.get("inference")
    if not isinstance(model, dict) or not isinstance(inference, dict):
        return content
    if not isinstance(model.get("text"), dict):
        return content
    is_clips = model["text"].get("vocabulary") == CLIP_VOCABULARY
    return content | {
        "model": model | {"presence_heads": 0, "tokenizer": "clip" if is_clips else "stored"},
        "inference": inference | {"guided_radius": 0, "presence_threshold": 0.0},
    }


def _with_relative_threshold(content: dict[str, Any]) -> dict[str, Any]:
    """Add the relative threshold that version 5 introduced; earlier masks were cut at one threshold only."""
    inference = content.get("inference")
    if not isinstance(inference, dict):
        return content
    return content | {"inference": inference | {"relative_threshold": 1.0}}


MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _with_identity_calibration,
    2: _with_kinds_of_encoders,
    3: _with_presence_and_tokenizer,
    4: _with_relative_threshold,
}
"""Version of config.json → function that migrates its content to the next version."""


def parsed(kind: Any, value: object, name: str = "") -> Any:
    """Return a value from JSON as `kind`: plain, optional, Literal, tuple, dataclass, or one of several.

    Raises:
        InputError: it is something else; names the field.
    """
    if isinstance(kind, UnionType):
        parts = [each for each in get_args(kind) if each is not NoneType]
        if len(parts) == 1:
            return None if value is None else parsed(parts[0], value, name)
        return _parsed_kind(kind, value, name)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _parsed_fields(kind, value, name)
    origin, parts = get_origin(kind), list(get_args(kind))
    if origin is tuple and parts[-1] is Ellipsis and isinstance(value, list):
        return tuple(parsed(parts[0], item, name) for item in value)
    if origin is tuple and isinstance(value, list) and len(value) == len(parts):
        return tuple(parsed(part, item, name) for part, item in zip(parts, value, strict=True))
    if origin is Literal and any(type(value) is type(part) and value == part for part in parts):
        return value
    if kind is float and isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise InputError(f"{name} must be {kind if origin else kind.__name__}, got {value!r}")


def _parsed_kind(kinds: UnionType, value: object, name: str) -> Any:
    """Return `value` as the one of several dataclasses that it says it is."""
    given = dict(value) if isinstance(value, dict) else {}
    found, known = given.pop("kind", None), {each.kind: each for each in get_args(kinds)}
    if found not in known:
        raise InputError(f"{name}.kind must be one of {', '.join(known)}, got {found!r}")
    return _parsed_fields(known[found], given, name)


def _parsed_fields(kind: type, value: object, name: str) -> Any:
    hints = get_type_hints(kind)
    kinds = {each.name: hints[each.name] for each in dataclasses.fields(kind)}
    given = value if isinstance(value, dict) else {}
    if given.keys() != kinds.keys():
        missing, unknown = sorted(kinds.keys() - given.keys()), sorted(given.keys() - kinds.keys())
        raise InputError(f"{name or 'the top level'} has missing keys {missing} and unknown keys {unknown}")
    return kind(**{key: parsed(kinds[key], given[key], f"{name}.{key}".lstrip(".")) for key in kinds})
