"""File access through fsspec: local folders and object stores."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from cris.errors import InputError
from cris.files import atomic_file

_STORES = ("aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "s3fs")
"""Packages whose errors describe a fault of an object store or of the connection to it."""


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn errors of the object store libraries into a one-line InputError that names the URL."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"the disk is full at {url}: free some space, and run the same with --resume"
            ) from error
        if error.filename or not _is_remote(url):
            raise
        raise InputError(f"{url}: {error}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _STORES:
            raise
        raise InputError(f"{url}: {error}") from error


def open_url(url: str) -> tuple[Any, str]:
    """Return the file system of a path or URL such as s3://bucket/folder, and the path within it.

    Text without :// is a path on this machine, even with :: in it. fsspec's chains, such as
    simplecache::s3://bucket/folder, are recognised by their links: each is a URL or a protocol.

    Raises InputError for a URL whose protocol no installed package can open.
    """
    try:
        if _is_chain(url):
            filesystem, path = fsspec.core.url_to_fs(url)
        else:
            kind = fsspec.get_filesystem_class(url.partition("://")[0] if "://" in url else "file")
            filesystem, path = kind(**kind._get_kwargs_from_urls(url)), kind._strip_protocol(url)
    except (ImportError, ValueError) as error:  # a missing package such as gcsfs, an unknown protocol
        raise InputError(f"{url} cannot be opened: {error}") from error
    return filesystem, path.rstrip("/") or "/"


def is_local(filesystem: Any) -> bool:
    """Check whether the file system is this machine's own."""
    return isinstance(filesystem, LocalFileSystem)


def write_whole(filesystem: Any, path: str, content: bytes) -> None:
    """Write a file that appears whole or not at all, which object stores guarantee by themselves."""
    if not is_local(filesystem):
        filesystem.pipe_file(path, content)
        return
    with atomic_file(Path(path), is_synced=True) as partial:
        partial.write_bytes(content)


def _is_chain(url: str) -> bool:
    links = url.split("::")
    protocols = fsspec.available_protocols()
    return len(links) > 1 and "://" in url and all("://" in link or link in protocols for link in links)


def _is_remote(url: str) -> bool:
    return "://" in url and not url.startswith(("file://", "local://"))
