"""Models and data sets put on the Hugging Face hub: all files in one commit, or nothing."""

import re
import tempfile
from collections.abc import Collection, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cris.card import CARD, model_card
from cris.config_file import CONFIG, StoredConfig, read_config, write_config
from cris.engines.export_folder import is_exported
from cris.errors import InputError
from cris.huggingface.descriptor import is_huggingface
from cris.registry import CHECKPOINT_FILES, resolve
from cris.weights import LOG_IN, TOO_MANY, bars_for_people, status_of

if TYPE_CHECKING:
    from cris.segmenter import Segmenter

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def push_model(
    model: "str | Path | Segmenter",
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
    token: str | None = None,
) -> str:
    """Put a checkpoint into a repository of the hub, which is made if need be; return the commit's address.

    The files go up as they are, in one commit, but for a card without the fields that the hub reads, which
    gets them, and settings that a segmenter was given since. Other files of the repository stay.

    Args:
        model: registered name, checkpoint folder, folder of a training run, or a segmenter.
        repository: OWNER/NAME.
        private: whether a repository that is made is private; None for what the owner has set on the hub.
        revision: branch, made if need be; None for main.
        commit_message: first line of the commit's message.
        token: token of the hub; None for HF_TOKEN or the one stored by `hf auth login`.

    Raises:
        InputError: it is no checkpoint, or the hub refuses it: no token, no right to write, an invalid card.
        ConnectionError: the hub cannot be reached, or the connection broke; the repository has nothing of it.
    """
    check_repository(repository, token)
    with tempfile.TemporaryDirectory() as temporary:
        if isinstance(model, str | Path):
            folder = resolve(model)
            files = _checkpoint_files(folder)
        else:
            files = _files_of(model, Path(temporary))
        text = files[CARD].read_text(encoding="utf-8")
        if (card := model_card(text)) != text:
            files[CARD] = Path(temporary) / CARD
            files[CARD].write_text(card, encoding="utf-8", newline="")
        return push(
            repository,
            files,
            private=private,
            revision=revision,
            commit_message=commit_message or "Upload a model of cris",
            token=token,
        )


def check_repository(repository: str, token: str | None) -> None:
    """Raise InputError where no push can succeed: a name that the hub takes from nobody, or no token.

    Callers ask it before they open a model or write a data set's files.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if not _REPOSITORY.fullmatch(repository):
        raise InputError(f"a repository of the hub must be OWNER/NAME, got {repository!r}")
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise InputError(f"the hub takes no such name: {error}") from error
    if token is None and get_token() is None:
        raise _needs_token(repository)


def push(
    repository: str,
    files: Mapping[str, Path],
    *,
    kind: Literal["model", "dataset"] = "model",
    replaced: Collection[str] = (),
    private: bool | None,
    revision: str | None,
    commit_message: str,
    token: str | None,
) -> str:
    """Put files into a repository that `check_repository` took, in one commit; return its address.

    Args:
        repository: OWNER/NAME.
        files: name in the repository → file.
        kind: kind of the repository.
        replaced: endings of files that are deleted in the same commit unless they are among `files`.
        private: as in `push_model`, like all below.
        revision: branch.
        commit_message: first line of the message.
        token: token of the hub.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    from cris import __version__

    api = HfApi(token=token, library_name="cris", library_version=__version__)
    try:
        api.create_repo(repository, repo_type=kind, private=private, exist_ok=True)
        info = api.repo_info(repository, repo_type=kind)
        if private and not info.private:
            raise InputError(
                f"{repository} is there and is public: make it private on its page, or push to another name"
            )
        if revision is not None:
            api.create_branch(repository, branch=revision, repo_type=kind, exist_ok=True)
        there = api.list_repo_files(repository, revision=revision, repo_type=kind) if replaced else []
        old = [name for name in there if name not in files and name.endswith(tuple(replaced))]
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, str(path)) for name, path in files.items()),
            *(CommitOperationDelete(name) for name in old),
        ]
        with bars_for_people():
            commit = api.create_commit(
                repository, operations, commit_message=commit_message, repo_type=kind, revision=revision
            )
    except InputError:
        raise
    except Exception as error:  # the library lets the errors of its network client through
        raise _explained(error, repository) from error
    return str(commit.commit_url)


def _explained(error: Exception, repository: str) -> InputError | ConnectionError:
    """Return an error of the hub's library in one line."""
    status = status_of(error)
    if type(error) is ValueError and "README.md" in str(error):
        reason = " ".join(str(error).split())
        return InputError(f"the hub refuses the card of {repository}: {reason}")
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return _needs_token(repository)
        case HTTPStatus.FORBIDDEN:
            owner = repository.partition("/")[0]
            return InputError(
                f"the token may not write to {repository}: take one with the right to write for {owner}, "
                "or push to a name of your own"
            )
        case HTTPStatus.NOT_FOUND:
            return InputError(f"the hub has no {repository} that this token may write to: check the name")
        case HTTPStatus.TOO_MANY_REQUESTS:
            reason = TOO_MANY
        case None:
            reason = f"{type(error).__name__}; run the same again when the hub can be reached"
        case _:
            told = " ".join(str(getattr(error, "server_message", None) or "").split())
            reason = f"the hub answered {status}{told and f' ({told})'}; run the same again"
    return ConnectionError(f"cannot push to {repository}, which has nothing of it: {reason}")


def _needs_token(repository: str) -> InputError:
    return InputError(f"pushing to {repository} needs a token of the hub that is valid: {LOG_IN}")


def _checkpoint_files(folder: Path) -> dict[str, Path]:
    """Return a checkpoint's files by their names; raise InputError for other folders."""
    if is_huggingface(folder):
        raise InputError(f"{folder} stands for models of the hub, where they are: name a checkpoint folder")
    if is_exported(folder):
        raise InputError(
            f"{folder} is an export: push the checkpoint that it was made of, which every engine reads"
        )
    for name in CHECKPOINT_FILES:
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{folder} has no {name}: expected a checkpoint, {', '.join(CHECKPOINT_FILES)}")
    read_config(folder / CONFIG)
    return {name: folder / name for name in CHECKPOINT_FILES}


def _files_of(segmenter: "Segmenter", temporary: Path) -> dict[str, Path]:
    """Return the files of a segmenter's model: those it was opened from, else written to a temporary one."""
    if (source := segmenter.source) is not None:
        files = _checkpoint_files(source)
        stored = read_config(files[CONFIG])
        if stored.inference != segmenter.inference:
            files[CONFIG] = temporary / CONFIG
            write_config(files[CONFIG], StoredConfig(model=stored.model, inference=segmenter.inference))
        return files
    from cris.checkpoint import save_checkpoint
    from cris.engines.torch_engine import TorchEngine

    engine = segmenter.engine
    if not isinstance(engine, TorchEngine):
        raise InputError("only a model of torch, or one opened by from_pretrained, can be pushed")
    folder = temporary / "model"
    save_checkpoint(
        folder, engine.model, segmenter.tokenizer, segmenter.inference, card="# A model of cris\n"
    )
    return _checkpoint_files(folder)
