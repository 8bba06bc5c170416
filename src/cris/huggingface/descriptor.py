"""From `hf:OWNER/NAME` to a small folder that tells models, their revisions, and where their files are."""

import hashlib
import importlib.util
import json
import re
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cris.errors import InputError
from cris.files import atomic_file, sha256_of
from cris.weights import cache_folder, download_from_hub, hub_error, hub_folder

ADDRESS_FORM = "hf:OWNER/NAME[@REVISION], or two of them, detector+masks: hf:OWNER/NAME+OWNER/NAME"
DESCRIPTOR = "huggingface.json"
"""File by which a folder is known to stand for models of the hub."""
_SCHEMA_VERSION = 1
_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SMALL = re.compile(
    r"config\.json|(pre)?processor_config\.json|tokenizer(_config)?\.json|special_tokens_map\.json"
    r"|added_tokens\.json|vocab\.(json|txt)|merges\.txt"
)
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Weights in one file, or in several with a file NAME.index.json; the first that is there is read."""
_SECONDS = 30
"""Longest wait for the hub to say what a repository holds."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One model: a repository of the hub at a commit, or a folder."""

    repository: str | None
    """OWNER/NAME; None for a folder."""
    revision: str
    """Commit of the repository, or the sha256 of a folder's files."""
    folder: str | None
    """Folder with the files; None for a repository, whose files are downloaded."""
    files: tuple[str, ...]
    """Files that are read; code is never among them."""

    @property
    def title(self) -> str:
        """Return what people call it, with its revision."""
        return f"{self.repository or Path(self.folder or '').name}@{self.revision}"

    def local(self) -> Path:
        """Return the folder with the model's files, downloaded if need be; raises like `find_huggingface`."""
        if self.repository is None:
            assert self.folder is not None
            return Path(self.folder)
        return download_from_hub(self.repository, self.revision, self.files)


def is_huggingface(folder: Path) -> bool:
    """Check whether the folder stands for models of the hub."""
    return (folder / DESCRIPTOR).is_file()


def find_huggingface(address: str) -> Path:
    """Return the folder that stands for `hf:…`, once the files of all its models are here.

    The name of a model may be that of a folder, which then begins with / or a dot. Without a revision a model
    is taken as it is now; without a network, as it was when it was downloaded last.

    Raises:
        InputError: the address is malformed, the hub has no such model, it is gated, or has no weights.
        ConnectionError: the hub cannot be reached.
    """
    if importlib.util.find_spec("transformers") is None:
        raise InputError(f"{address} needs transformers, which is not installed: pip install 'cris[hf]'")
    names = address.removeprefix("hf:").split("+")
    if len(names) > 2 or not all(names):
        raise InputError(f"a model of the hub must be {ADDRESS_FORM}, got {address!r}")
    parts = [_folder_part(name) if _is_folder(name) else _hub_part(name, address) for name in names]
    for part in parts:
        part.local()
    place = cache_folder() / "huggingface" / "+".join(map(_slug, parts))
    content = {"schema_version": _SCHEMA_VERSION, "models": list(map(asdict, parts))}
    text = json.dumps(content, indent=2) + "\n"
    file = place / DESCRIPTOR
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        place.mkdir(parents=True, exist_ok=True)
        with atomic_file(file) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    return place


def read_parts(folder: Path) -> list[Part]:
    """Return the models that a folder stands for.

    Raises InputError when its file is damaged, or of a later version.
    """
    file = folder / DESCRIPTOR
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema_version"] != _SCHEMA_VERSION:
            raise InputError(f"{file} was written by a later cris: update cris, or delete it")
        return [Part(**{**each, "files": tuple(each["files"])}) for each in content["models"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} is damaged: delete it, and name the model again") from error


def _is_folder(name: str) -> bool:
    return name.startswith(("./", "../", ".\\", "..\\")) or Path(name).is_absolute()


def _folder_part(name: str) -> Part:
    folder = Path(name).resolve()
    if not folder.is_dir():
        raise InputError(f"there is no folder {name}: expected one with a model's config.json and weights")
    files = _wanted((path.name for path in folder.iterdir() if path.is_file()), str(folder))
    hashes = [[file, sha256_of(folder / file)] for file in files]
    revision = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
    return Part(repository=None, revision=revision, folder=str(folder), files=tuple(files))


def _hub_part(name: str, address: str) -> Part:
    match = _REPOSITORY.fullmatch(name)
    if match is None or ".." in name:
        raise InputError(f"a model of the hub must be {ADDRESS_FORM}, got {address!r}")
    repository, revision = match.groups()
    if revision is not None and _COMMIT.fullmatch(revision) and _is_whole(hub_folder(repository, revision)):
        return _downloaded(repository, hub_folder(repository, revision))
    import huggingface_hub

    try:
        info = huggingface_hub.HfApi().model_info(repository, revision=revision, timeout=_SECONDS)
    except Exception as error:  # the library lets the errors of its network client through
        explained = hub_error(
            error,
            f"hf:{name}",
            "connect, or download the repository elsewhere and pass its folder, as in hf:./FOLDER",
        )
        earlier = [] if revision or isinstance(explained, InputError) else _earlier(repository)
        if not earlier:
            raise explained from error
        part = _downloaded(repository, earlier[-1])
        warnings.warn(f"the hub cannot be reached: taking {part.title}, downloaded earlier", stacklevel=2)
        return part
    assert info.sha is not None
    files = _wanted((each.rfilename for each in info.siblings or ()), f"hf:{name}")
    return Part(repository=repository, revision=info.sha, folder=None, files=tuple(files))


def _downloaded(repository: str, folder: Path) -> Part:
    files = _wanted((path.name for path in folder.iterdir() if path.is_file()), str(folder))
    revision = folder.name.rpartition("@")[2]
    return Part(repository=repository, revision=revision, folder=None, files=tuple(files))


def _earlier(repository: str) -> list[Path]:
    """Return the folders of commits that were downloaded whole, the latest at the end."""
    folders = hub_folder(repository, "").parent.glob(hub_folder(repository, "*").name)
    whole = [each for each in folders if _COMMIT.fullmatch(each.name.rpartition("@")[2]) and _is_whole(each)]
    return sorted(whole, key=lambda folder: folder.stat().st_mtime)


def _is_whole(folder: Path) -> bool:
    """Check whether a download came to its end: `_wanted` puts last the file that this looks for."""
    # a file by its own address, hf://…/FILE, is kept in the same folder
    names = {"config.json"}, set(_last_files())
    return all(any((folder / name).is_file() for name in each) for each in names)


def _last_files() -> list[str]:
    return [last for name in _WEIGHTS for last in (name, f"{name}.index.json")]


def _wanted(names: Iterable[str], where: str) -> list[str]:
    """Return which of a repository's files to read: settings, tokenizer, and the weights at the end."""
    there = set(names)
    last = next((name for name in _last_files() if name in there), None)
    if "config.json" not in there or last is None:
        raise InputError(
            f"{where} has no config.json beside a model.safetensors or pytorch_model.bin: "
            "it is no model that transformers wrote"
        )
    stem, _, suffix = last.removesuffix(".index.json").rpartition(".")
    shard = re.compile(rf"{stem}-\d+-of-\d+\.{suffix}")
    shards = sorted(filter(shard.fullmatch, there)) if last.endswith(".index.json") else []
    return [*sorted(filter(_SMALL.fullmatch, there)), *shards, last]


def _slug(part: Part) -> str:
    name, _, revision = part.title.rpartition("@")
    return f"{name.replace('/', '--')}@{revision[:12]}"
