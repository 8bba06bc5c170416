"""Encoded pictures by their names, from a folder or from a zip that is read in place."""

import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from cris.data.paths import check_relative, inside
from cris.errors import InputError

LARGEST_PICTURE = 512 * 2**20
"""Bytes; what claims to be larger once unpacked is refused."""


class Pictures:
    """Picture files in a folder, or in a zip, where a folder around all of them may be left out of names.

    Raises:
        InputError: the path is neither a folder nor a zip, or the zip has names that lead out of it.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        if source.is_dir():
            return
        if not source.exists():
            raise InputError(f"there is no folder or zip {source}")
        try:
            self._zip = zipfile.ZipFile(source)
        except zipfile.BadZipFile as error:
            raise InputError(f"{source} must be a folder or a zip of pictures: {error}") from error
        self._members = _members(self._zip, source)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are not there, in their order."""
        return [name for name in names if not self._has(name)]

    def read(self, name: str) -> bytes:
        """The file's bytes.

        Raises:
            InputError: it is missing, damaged in the zip, or its name leads out of the folder.
        """
        if not self._has(name):
            raise InputError(f"{self.source} has no picture {name!r}")
        if self._zip is None:
            return inside(self.source, name).read_bytes()
        member = self._members[name]
        if member.file_size > LARGEST_PICTURE:
            raise InputError(
                f"{self.source}: {name!r} must be at most {LARGEST_PICTURE:,} bytes, got {member.file_size:,}"
            )
        try:
            return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise InputError(f"{self.source}: {name!r} cannot be unpacked: {error}") from error

    def _has(self, name: str) -> bool:
        if self._zip is None:
            return inside(self.source, name).is_file()
        check_relative(name)
        return name in self._members


def _members(archive: zipfile.ZipFile, source: Path) -> dict[str, zipfile.ZipInfo]:
    """The files by their names, and by what is left of these without the folder around all files."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        try:
            check_relative(member.filename)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        if member.is_dir():
            continue
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(
                f"{source}: {member.filename!r} is a symbolic link: zip the file that it points to"
            )
        if member.filename in members:
            raise InputError(f"{source} holds {member.filename!r} twice")
        members[member.filename] = member
    around = {name.partition("/")[0] if "/" in name else "" for name in members if not _is_of_macos(name)}
    if len(around) == 1 and around != {""}:
        prefix = f"{around.pop()}/"
        members |= {
            name.removeprefix(prefix): member for name, member in members.items() if name.startswith(prefix)
        }
    return members


def _is_of_macos(name: str) -> bool:
    """What macOS puts beside the files when it makes a zip."""
    return name.startswith("__MACOSX/")
