"""Registered models and weights, and what a name, path or hub address stands for."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cris.errors import InputError
from cris.files import whole_folder
from cris.weights import cache_folder, download, download_from_hub, pull

Kind = Literal["model", "clip"]
DEFAULT_MODEL = "cris-photos"
"""Model used where none is named."""
SCENES_MODEL = "cris-scenes"
"""Model for rendered scenes, in demonstrations and studies."""
MODELS = Path(__file__).parent / "models"
RUN_CHECKPOINTS = "checkpoints"
"""Folder of a training run with its models."""
CHECKPOINT_FILES = ("config.json", "model.safetensors", "tokenizer.json", "README.md")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """File on a server."""

    url: str
    sha256: str
    size: int
    """Size in bytes."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Registered model, or weights to start one from."""

    name: str
    kind: Kind
    """Kind of entry: model, a checkpoint to predict with; clip, weights for the encoders of a new model."""
    licence: str
    description: str
    remote: Remote | None = None
    """File on a server; None for a model that comes with the package."""


def _openai(name: str, sha256: str, size: int) -> Entry:
    url = f"https://openaipublic.azureedge.net/clip/models/{sha256}/{name}.pt"
    return Entry(
        name=name,
        kind="clip",
        licence="MIT",
        description=f"OpenAI's CLIP with the image encoder {name}, to train from",
        remote=Remote(url=url, sha256=sha256, size=size),
    )


ENTRIES = (
    Entry(
        name=DEFAULT_MODEL,
        kind="model",
        licence="Apache-2.0",
        description="A model for photographs, which comes with the package; the default",
    ),
    Entry(
        name=SCENES_MODEL,
        kind="model",
        licence="Apache-2.0",
        description="A small model for rendered scenes, which comes with the package",
    ),
    # addresses and hashes as in clip/clip.py of github.com/openai/CLIP
    _openai("RN50", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762", 255_827_503),
    _openai("RN101", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599", 291_791_292),
    _openai("RN50x4", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd", 421_854_225),
    _openai("RN50x16", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa", 661_125_706),
    _openai("ViT-B-32", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", 353_976_522),
    _openai("ViT-B-16", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", 350_837_078),
    _openai("ViT-L-14", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", 932_768_134),
    _openai(
        "ViT-L-14-336px", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", 934_088_680
    ),
)
REGISTRY = {entry.name: entry for entry in ENTRIES}

HUB_FORM = "hf://OWNER/NAME@REVISION (a checkpoint) or hf://OWNER/NAME@REVISION/FILE"
_HUB_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)@([\w.-]+)(?:/([\w./-]+))?")
_HUB_NAME = re.compile(r"(?![.-])[\w.-]+/(?![.-])[\w.-]+")
"""The hub's own form, OWNER/NAME, which a path may have too."""


def resolve(name_or_path: str | Path, kind: Kind = "model", *, revision: str | None = None) -> Path:
    """Return the checkpoint folder (`kind` "model") or file of CLIP's weights named, downloaded if need be.

    It may be a registered name, a path, a checkpoint of ours on the Hugging Face hub, OWNER/NAME, or an
    address there (see HUB_FORM); or another's model, hf:OWNER/NAME (see docs/other-models.md). A path that is
    there comes before a name of the hub. The folder of a training run stands for its best checkpoint.

    Args:
        name_or_path: what is meant.
        kind: what it must be.
        revision: branch, tag or commit of OWNER/NAME on the hub; None for its branch main.

    Raises:
        InputError: there is no such name or path, it is of the other kind, or a run that has saved nothing.
        ConnectionError: a download failed.
    """
    name = str(name_or_path)
    if not name.strip():
        raise InputError(f"expected the name of a model or a path, got {name!r}; {_known(kind)}")
    if revision is not None and (hub_name(name_or_path) is None or name.startswith("hf:")):
        raise InputError(
            f"a revision is for OWNER/NAME on the hub, got {name!r}, which is another form or a path that is "
            "there: leave the revision out"
        )
    if isinstance(name_or_path, str) and name in REGISTRY:
        entry = REGISTRY[name]
        if entry.kind != kind:
            raise InputError(f"{name} is {entry.description}; {_known(kind)}")
        return _place(entry)
    if kind == "model" and name.startswith("hf:") and not name.startswith("hf://"):
        from cris.huggingface.descriptor import find_huggingface

        return find_huggingface(name)
    if name.startswith("hf:"):
        return _from_hub(name)
    path = whole_folder(name_or_path)
    if path.exists():
        return checkpoint_of_run(path) or path
    close = difflib.get_close_matches(name.lower(), [known.lower() for known in _names(kind)], n=1)
    meant = _hub_form(name) or next((known for known in _names(kind) if [known.lower()] == close), None)
    hint = f"; did you mean {meant}?" if meant else ""
    unknown = f"there is no model and no path {name!r}{hint}"
    repository = hub_name(name_or_path) if kind == "model" else None
    if repository is None:
        raise InputError(f"{unknown}; {_known(kind)}")
    try:
        return pull(repository, revision or "main", CHECKPOINT_FILES)
    except (InputError, ConnectionError) as error:
        raise type(error)(f"{unknown}, and {error}; {_known(kind)}") from error


def hub_name(name_or_path: str | Path) -> str | None:
    """Return OWNER/NAME of a repository on the hub; None for what is none, or is a path that is there."""
    name = str(name_or_path)
    if match := _HUB_ADDRESS.fullmatch(name):
        return match[1]
    is_name = isinstance(name_or_path, str) and _HUB_NAME.fullmatch(name) and ".." not in name
    return name if is_name and not whole_folder(name).exists() else None


def _hub_form(name: str) -> str | None:
    """Return what a page's address, or OWNER/NAME@REVISION, stands for; None for anything else."""
    bare = name.removeprefix("https://huggingface.co/").rstrip("/")
    if _HUB_ADDRESS.fullmatch(f"hf://{bare}"):
        return f"hf://{bare}"
    return bare if bare != name and _HUB_NAME.fullmatch(bare) else None


def pinned(name: str) -> str:
    """Return a name that stays what it is: of a branch on the hub its commit, else the name itself.

    Raises like `resolve`.
    """
    repository = hub_name(name)
    return name if repository is None else f"hf://{repository}@{resolve(name).name.rpartition('@')[2]}"


def names_clip(name: str) -> bool:
    """Return whether it is the registered name of CLIP's weights, which are no model to predict with."""
    return name in REGISTRY and REGISTRY[name].kind == "clip"


def checkpoint_of_run(folder: Path) -> Path | None:
    """Return the best checkpoint of a training run, or its last before the first validation.

    None where the folder is no run's. Raises InputError when the run has saved nothing yet.
    """
    if not (folder / RUN_CHECKPOINTS).is_dir():
        return None
    for name in ("best", "last"):
        checkpoint = whole_folder(folder / RUN_CHECKPOINTS / name)
        if checkpoint.is_dir():
            return checkpoint
    raise InputError(f"{folder} is the folder of a run that has saved no model yet: let it go on first")


def model_title(named: str) -> str:
    """Return the title of a model in tables and pages: of a run's checkpoint the run, else the last part.

    Of two models of the hub that work together, both.
    """
    if named.startswith("hf:") and not named.startswith("hf://"):
        return "+".join(Path(part).name for part in named.removeprefix("hf:").split("+"))
    path = Path(re.sub(r"(@[0-9a-f]{12})[0-9a-f]{28}$", r"\1", named))  # a commit, as people shorten it
    run = path.parent.parent.name
    if path.parent.name == RUN_CHECKPOINTS and run:
        return run if path.name == "best" else f"{run} ({path.name})"
    return path.name or named


def stored_at(entry: Entry) -> Path:
    """Return the path of an entry, or the one it will have when it has been downloaded."""
    return cache_folder() / f"{entry.name}.pt" if entry.remote else MODELS / entry.name


def _place(entry: Entry) -> Path:
    if entry.remote is None:
        return stored_at(entry)
    remote = entry.remote
    return download(remote.url, stored_at(entry), sha256=remote.sha256, size=remote.size)


def _from_hub(address: str) -> Path:
    match = _HUB_ADDRESS.fullmatch(address)
    if match is None or ".." in address:
        raise InputError(f"an address on the hub must be {HUB_FORM}, got {address!r}")
    repository, revision, file = match.groups()
    if file is None:
        return pull(repository, revision, CHECKPOINT_FILES)
    return download_from_hub(repository, revision, [file]) / file


def _names(kind: Kind) -> list[str]:
    return [entry.name for entry in ENTRIES if entry.kind == kind]


def _known(kind: Kind) -> str:
    what = "models" if kind == "model" else "CLIP weights"
    forms = f"a path, OWNER/NAME on the hub, {HUB_FORM}" if kind == "model" else f"a path, or {HUB_FORM}"
    return f"{what} are {', '.join(_names(kind))}, {forms}"
