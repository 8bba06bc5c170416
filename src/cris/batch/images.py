"""Images of a bulk job: files, rows of Parquet shards, members of WebDataset shards."""

import glob
import json
import tarfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cris.batch.storage import explained, is_local, open_url
from cris.errors import InputError
from cris.image import suffixes, warn_of_unread

IMAGE = "image"
"""Parquet column of encoded images: binary, or a struct with `bytes` as `datasets` writes it."""
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified")
"""File attributes that change with a file's content, the most reliable first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """Location of an image."""

    id: str
    """Path within the source; inside a shard, the shard's path, # and the row or member."""
    name: str
    """Name that the source gives it: the path, a Parquet row's file name, or a member's name."""
    url: str
    """URL of the file that holds it."""
    version: str
    """Version of that file, which changes when its content does."""
    row: int | None = None
    """Row in a Parquet shard."""
    span: tuple[int, int] | None = None
    """First byte, and one past the last, in a tar."""


def find_images(source: str) -> list[ImageRef]:
    """Return the images of a folder with its subfolders, of a pattern, or of a file, sorted by path.

    Files are recognised by their suffix: images, `.parquet` and `.tar`. Hidden files are left out, and so are
    links that lead out of a local folder.

    Raises:
        InputError: there is no image, or a shard cannot be read.
    """
    with explained(source):
        filesystem, root, files = _files(source)
        found: list[ImageRef] = []
        for path in sorted(files):
            found += _images(filesystem, path, _id(path, root), _version(files[path]))
        warn_of_unread(_id(path, root) for path in sorted(files))
    if not found:
        kinds = ", ".join(sorted({*suffixes(), ".parquet", ".tar"}))
        raise InputError(f"expected images or shards of them ({kinds}) in {source}, found none")
    return found


def _files(source: str) -> tuple[Any, str, dict[str, dict[str, Any]]]:
    """Return the file system, the folder that paths are relative to, and the details of each file."""
    filesystem, path = open_url(source)
    if filesystem.isdir(path):
        root, files = path, filesystem.find(path, detail=True)
    elif filesystem.exists(path):
        root, files = path.rpartition("/")[0], {path: filesystem.info(path)}
    elif glob.has_magic(path):
        parts = path.split("/")
        fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
        root = "/".join(parts[:fixed])
        files = filesystem.glob(path, detail=True)
    else:
        raise InputError(f"{source}: expected a folder, a pattern or a file, found nothing")
    kept = {
        file: info
        for file, info in files.items()
        if not any(part.startswith(".") for part in file[len(root) :].split("/"))
        and (info["type"] == "file" or info.get("islink"))
        and (not is_local(filesystem) or _is_own(file, root))
    }
    return filesystem, root, kept


def _images(filesystem: Any, path: str, id: str, version: str) -> Iterator[ImageRef]:
    suffix = Path(path).suffix.lower()
    url = path if is_local(filesystem) else filesystem.unstrip_protocol(path)
    if suffix == ".parquet":
        with filesystem.open(path) as file:
            for row, name in enumerate(_names(file, url)):
                row_id = f"{id}#{row}"
                yield ImageRef(id=row_id, name=name or row_id, url=url, version=version, row=row)
    elif suffix == ".tar":
        with filesystem.open(path) as file:
            for name, span in _members(file, url).items():
                yield ImageRef(id=f"{id}#{name}", name=name, url=url, version=version, span=span)
    elif suffix in suffixes():
        yield ImageRef(id=id, name=id, url=url, version=version)


def _names(file: Any, url: str) -> list[str | None]:
    """Return the names of a Parquet shard's images, None where a row gives none."""
    try:
        shard = pq.ParquetFile(file)
        schema = shard.schema_arrow
        kind = schema.field(IMAGE).type if IMAGE in schema.names else None
        is_struct = kind is not None and pa.types.is_struct(kind)
        if kind is None or not (_is_binary(kind) or (is_struct and "bytes" in kind.names)):
            raise InputError(
                f"{url} must have a column {IMAGE} of encoded images, "
                f"its columns are {', '.join(schema.names)}"
            )
        if "file_name" in schema.names:
            return list(map(_text, shard.read(columns=["file_name"])["file_name"].to_pylist()))
        if is_struct and "path" in kind.names:
            rows = shard.read(columns=[f"{IMAGE}.path"])[IMAGE].to_pylist()
            return [_text(row and row["path"]) for row in rows]
        return [None] * shard.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{url} is no Parquet file, or a damaged one ({error})") from error


def _members(file: Any, url: str) -> dict[str, tuple[int, int]]:
    """Return the images in a tar, by suffix, with their byte spans; of two with one name the later."""
    spans = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            members = [member for member in tar if member.isreg() and not member.issparse()]
        for member in members:
            if Path(member.name).suffix.lower() in suffixes():
                spans[member.name] = (member.offset_data, member.offset_data + member.size)
    except tarfile.TarError as error:
        raise InputError(f"{url} is no plain tar, or a damaged one ({error})") from error
    warn_of_unread(f"{url}#{_text(member.name)}" for member in members)
    return {_text(name) or "": span for name, span in spans.items()}


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _text(name: object) -> str | None:
    """Return a name that can be stored as UTF-8, whatever bytes it was made from."""
    return (
        name.encode(errors="surrogateescape").decode(errors="backslashreplace")
        if isinstance(name, str)
        else None
    )


def _id(path: str, root: str) -> str:
    return _text(path[len(root) :].lstrip("/")) or path


def _version(info: Mapping[str, Any]) -> str:
    known = next((str(info[name]) for name in _VERSIONS if info.get(name)), "")
    return json.dumps([info.get("size"), known])


def _is_own(file: str, root: str) -> bool:
    """Check that it is a file within the root once links are followed; links to folders are not followed."""
    if not Path(file).is_file():
        return False
    is_inside = Path(file).resolve().is_relative_to(Path(root).resolve())
    if not is_inside:
        warnings.warn(f"{file} is a link that leads out of its folder: left out", stacklevel=2)
    return is_inside
