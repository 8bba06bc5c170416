"""Data sets on the Hugging Face hub, fetched at a pinned revision."""

import json
import re
from pathlib import Path

from cris.errors import InputError
from cris.weights import download_from_hub, hub_error, hub_folder

FORM = "hf://datasets/OWNER/NAME@REVISION"
MOVING = ("main", "master", "HEAD")
"""Revisions that may point to another data set tomorrow."""
LISTING = "files.json"
_ADDRESS = re.compile(r"hf://(?:datasets/)?([\w.-]+/[\w.-]+)@([\w.-]+)")
_WANTED = re.compile(r"(?!.*\.\.)[\w./+-]*(\.parquet|finetune_\w+\+?_\w+\.json)")
"""Pattern of Parquet and MDETR files, with names that hold no surprises."""


def locate(source: str) -> Path:
    """Return the folder or file of a source, downloaded when it is an address on the hub.

    Raises:
        InputError: an address is malformed, or the hub has no such data set.
        ConnectionError: the hub cannot be reached.
    """
    if not source.startswith("hf:"):
        return Path(source)
    repository, revision = parse_address(source)
    names = [name for name in _files(repository, revision) if _WANTED.fullmatch(name)]
    if not names:
        raise InputError(f"{source} has neither Parquet files nor MDETR's finetune_DATASET_SPLIT.json")
    return download_from_hub(repository, revision, names, kind="dataset")


def parse_address(source: str) -> tuple[str, str]:
    """Return repository and revision of an address on the hub; raise InputError where it is malformed."""
    match = _ADDRESS.fullmatch(source)
    if match is None or ".." in source or match[2] in MOVING:
        raise InputError(f"an address on the hub must be {FORM}, a revision that never moves, got {source!r}")
    return match[1], match[2]


def _files(repository: str, revision: str) -> list[str]:
    """Return the names of a data set's files, cached beside them, as they never change."""
    import huggingface_hub

    place = hub_folder(repository, revision, kind="dataset") / LISTING
    if not place.exists():
        try:
            names = huggingface_hub.HfApi().list_repo_files(
                repository, revision=revision, repo_type="dataset"
            )
        except Exception as error:  # the library lets the errors of its network client through
            address = f"hf://datasets/{repository}@{revision}"
            raise hub_error(
                error, address, "get its files elsewhere and name their folder instead"
            ) from error
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(sorted(names)), encoding="utf-8")
    return [str(name) for name in json.loads(place.read_text(encoding="utf-8"))]
