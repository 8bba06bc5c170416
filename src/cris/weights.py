"""Downloads of weights: resumed, verified, and in place only when whole."""

import os
import re
import sys
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError

from cris.errors import InputError
from cris.files import atomic_file, sha256_of

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30
"""Longest wait for a server that says nothing."""

COMMIT = re.compile(r"[0-9a-f]{40}")
"""Pattern of a commit's hash, the only revision that never moves."""
LOG_IN = "log in with `hf auth login` or set HF_TOKEN"
TOO_MANY = "the hub has had too many requests (429), so wait some minutes and run the same again"
_SHA256 = re.compile(r"[0-9a-f]{64}")

NETWORK_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError)


def cache_folder() -> Path:
    """Return the folder of downloads: $CRIS_CACHE, or .cache/cris in the home folder.

    Raises InputError where there is no home folder, as for a user of a container that has no name.
    """
    try:
        return Path(os.environ.get("CRIS_CACHE") or Path.home() / ".cache" / "cris")
    except RuntimeError:
        raise InputError("this user has no home folder: set CRIS_CACHE to a folder for downloads") from None


def download(url: str, path: Path, *, sha256: str, size: int) -> Path:
    """Return `path`, with the verified file of that address (`size` in bytes); downloaded when it is missing.

    What an interrupted download leaves is kept beside it, and the next one goes on from there. Processes
    that want the same file wait for the first.

    Raises:
        ConnectionError: no server, or no such file there; the message says which file to put where.
        InputError: the file at `path`, or the one that came, is another one.
    """
    if not path.exists():
        from filelock import FileLock  # here, as exported models are asked without it

        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            if not path.exists():
                _download(url, path, sha256, size)
                return path
    if (digest := sha256_of(path)) != sha256:
        raise InputError(
            f"{path} must have sha256 {sha256}, got {digest}: delete it to have it fetched again"
        )
    return path


def _download(url: str, path: Path, sha256: str, size: int) -> None:
    with atomic_file(path, is_resumable=True) as partial:
        try:
            _receive_all(url, partial, size)
        except NETWORK_ERRORS as error:
            raise ConnectionError(
                f"cannot download {url} ({error}): get it elsewhere and put it at {path} (sha256 {sha256})"
            ) from error
        if (digest := sha256_of(partial)) != sha256:
            partial.unlink()
            raise InputError(
                f"{url} must have sha256 {sha256}, but what came has {digest} and was deleted: try again"
            )


def _receive_all(url: str, partial: Path, size: int) -> None:
    """Fetch what `partial` lacks; go on after a broken connection if that had brought something."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from cris.progress import has_bars

    console = Console(stderr=True)
    columns = TextColumn(partial.stem), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console, disable=not has_bars()) as progress:
        task = progress.add_task("", total=size)
        while True:
            before = _size(partial)
            try:
                _receive(url, partial, lambda count: progress.update(task, completed=count))
            except NETWORK_ERRORS:
                if _size(partial) <= before:
                    raise
            else:
                return


def _receive(url: str, partial: Path, report: Callable[[int], None]) -> None:
    """Request the rest of the file, or all of it when the server cannot give a part."""
    start = _size(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is left to fetch; whether it is the right file, its hash tells
        raise
    with response:
        is_rest = response.status == HTTPStatus.PARTIAL_CONTENT
        expected = (start if is_rest else 0) + int(response.headers.get("Content-Length", 0))
        with partial.open("ab" if is_rest else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                report(file.tell())
            if file.tell() < expected:
                raise ConnectionError(f"the connection broke after {file.tell()} of {expected} bytes")


def download_from_hub(
    repository: str, revision: str, names: Sequence[str], *, kind: Literal["model", "dataset"] = "model"
) -> Path:
    """Return the folder with these files of a Hugging Face repository's revision, downloaded if need be.

    Raises:
        ConnectionError: no connection; the message says which file to put where.
        InputError: no such repository, revision or file.
    """
    import huggingface_hub

    folder = hub_folder(repository, revision, kind=kind)
    for name in names:
        address = f"hf://{repository}@{revision}/{name}"
        before = _hub_note(folder, name)
        try:
            # as files in a folder of ours: the hub's own cache is made of links that lead out of their folder
            with bars_for_people():
                huggingface_hub.hf_hub_download(
                    repository, name, revision=revision, repo_type=kind, local_dir=folder
                )
        except Exception as error:  # the library lets the errors of its network client through
            raise hub_error(error, address, f"get it elsewhere and put it at {folder / name}") from error
        if (
            note := _hub_note(folder, name)
        ) != before:  # what was checked once is not read again at every use
            _check_hub_file(folder / name, note, address)
    return folder


def pull(
    repository: str, revision: str, names: Sequence[str], *, kind: Literal["model", "dataset"] = "model"
) -> Path:
    """Return the folder with these files of a Hugging Face repository, all of one commit.

    They are downloaded if need be. A branch or a tag stands for its commit of the moment; where the hub
    cannot be reached, for that of the last download, with a warning. Raises like `download_from_hub`.
    """
    if COMMIT.fullmatch(revision):
        return download_from_hub(repository, revision, names, kind=kind)
    by_hand = hub_folder(repository, revision, kind=kind)
    last = by_hand.with_name(f"{by_hand.name}.commit")
    address = f"hf://{repository}@{revision}"
    try:
        commit = commit_on_hub(
            repository, revision, address, f"get its files and put them at {by_hand}", kind=kind
        )
    except ConnectionError:
        if last.is_file():
            commit = last.read_text(encoding="utf-8").strip()
            warnings.warn(f"the hub cannot be reached: taking {address} as of {commit}", stacklevel=2)
        elif all((by_hand / name).is_file() for name in names):
            return by_hand
        else:
            raise
    folder = download_from_hub(repository, commit, names, kind=kind)
    with atomic_file(last) as partial:  # once all is there, so that the last one is whole
        partial.write_text(commit + "\n", encoding="utf-8")
    return folder


def commit_on_hub(
    repository: str,
    revision: str | None,
    address: str,
    otherwise: str,
    *,
    kind: Literal["model", "dataset"] = "model",
) -> str:
    """Return the commit that a branch or a tag stands for now.

    Args:
        repository: OWNER/NAME.
        revision: the branch or tag; None for main.
        address: what errors call it.
        otherwise: what to do where the hub cannot be reached.
        kind: kind of the repository.
    """
    import huggingface_hub

    try:
        info = huggingface_hub.HfApi().repo_info(
            repository, revision=revision, repo_type=kind, timeout=TIMEOUT_SECONDS
        )
    except Exception as error:  # the library lets the errors of its network client through
        raise hub_error(error, address, otherwise) from error
    assert info.sha is not None
    return info.sha


@contextmanager
def bars_for_people() -> Iterator[None]:
    """Keep the hub's library from drawing progress where no terminal shows it."""
    from huggingface_hub import utils

    bars: Any = utils
    if sys.stderr.isatty() or bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()


def hub_folder(repository: str, revision: str, *, kind: Literal["model", "dataset"] = "model") -> Path:
    """Return the folder for the files of a Hugging Face repository's revision."""
    place = "hub" if kind == "model" else "hub-data"
    return cache_folder() / place / f"{repository}@{revision}".replace("/", "--")


def _hub_note(folder: Path, name: str) -> tuple[str, ...]:
    """Return what the hub's library notes of a file that it downloaded: commit, hash, time; () for none."""
    note = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
    return tuple(note.read_text(encoding="utf-8").splitlines()) if note.is_file() else ()


def _check_hub_file(path: Path, note: tuple[str, ...], address: str) -> None:
    """Raise InputError where a downloaded file is not the one that the hub named; it is then deleted."""
    expected = next(filter(_SHA256.fullmatch, note), None)  # that of large files; small ones have git's
    if expected is None or (digest := sha256_of(path)) == expected:
        return
    path.unlink()
    raise InputError(
        f"{address} must have sha256 {expected}, but what came has {digest} and was deleted: try again"
    )


def hub_error(error: Exception, address: str, otherwise: str) -> InputError | ConnectionError:
    """Return an error of the hub's library in one line: its own texts fill several.

    Args:
        error: what the library raised.
        address: what was asked of the hub.
        otherwise: what to do where the hub cannot be reached.
    """
    from huggingface_hub import errors

    if isinstance(error, errors.HFValidationError):
        return InputError(f"the hub has no {address}: {' '.join(str(error).split())}")
    absent = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError)
    status = status_of(error)
    if isinstance(error, errors.GatedRepoError) or status == HTTPStatus.FORBIDDEN:
        return InputError(
            f"{address} is gated: ask for access on its page at https://huggingface.co, and {LOG_IN}"
        )
    is_refused = status == HTTPStatus.UNAUTHORIZED
    is_absent = isinstance(error, absent) and not isinstance(error, errors.LocalEntryNotFoundError)
    if is_absent or is_refused:
        private = f"; if it is private, {LOG_IN}" if is_refused else ""
        return InputError(f"the hub has no {address}: check repository, revision and file{private}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ConnectionError(f"cannot download {address}: {TOO_MANY}")
    return ConnectionError(f"cannot download {address} ({type(error).__name__}): {otherwise}")


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status behind an error of the hub's library; None where no server answered."""
    cause: BaseException | None = error
    while cause is not None:
        if (status := getattr(getattr(cause, "response", None), "status_code", None)) is not None:
            return int(status)
        cause = cause.__cause__
    return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
