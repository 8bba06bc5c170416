"""Data sets on the Hugging Face hub, fetched at a pinned revision."""

import json
import re
from pathlib import Path

from cris.errors import InputError
from cris.weights import cache_folder, download_from_hub

FORM = "hf://OWNER/NAME@REVISION"
MOVING = ("main", "master", "HEAD")
"""Revisions that may point to another data set tomorrow."""
LISTING = "files.json"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)@([\w.-]+)")
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
    match = _ADDRESS.fullmatch(source)
    if match is None or ".." in source or match[2] in MOVING:
        raise InputError(f"an address on the hub must be {FORM}, a revision that never moves, got {source!r}")
    repository, revision = match.groups()
    names = [name for name in _files(repository, revision) if _WANTED.fullmatch(name)]
    if not names:
        raise InputError(f"{source} has neither Parquet files nor MDETR's finetune_DATASET_SPLIT.json")
    return download_from_hub(repository, revision, names, kind="dataset")


def _files(repository: str, revision: str) -> list[str]:
    """Return the names of a data set's files, cached beside them, as they never change."""
    import huggingface_hub
    from huggingface_hub import errors

    place = cache_folder() / "hub-data" / f"{repository.replace('/', '--')}@{revision}" / LISTING
    address = f"hf://{repository}@{revision}"
    if not place.exists():
        try:
            api = huggingface_hub.HfApi()
            names = api.list_repo_files(repository, revision=revision, repo_type="dataset")
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
            raise InputError(f"the hub has no data set {address}: check repository and revision") from error
        except Exception as error:  # the library lets the errors of its network client through
            reason = type(error).__name__
            raise ConnectionError(
                f"cannot list {address} ({reason}): get its files elsewhere and name their folder instead"
            ) from error
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(sorted(names)), encoding="utf-8")
    return [str(name) for name in json.loads(place.read_text(encoding="utf-8"))]
