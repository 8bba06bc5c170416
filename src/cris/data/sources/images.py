"""Encoded images by name, from a folder or from a zip that is read in place."""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from cris.data.paths import check_relative, inside
from cris.errors import InputError
from cris.image import suffixes
from cris.names import KnownNames, comparable

LARGEST_IMAGE = 512 * 2**20
"""Largest size in bytes of an image; one that claims to be larger once unpacked is refused."""
_IS_UTF8 = 0x800
"""Flag of a zip member whose name is in UTF-8; else it is in code page 437."""


class Images:
    r"""Image files in a folder, or in a zip, where a folder around all of them may be left out of names.

    Names may have \ between folders, and composed letters where the files have decomposed ones, or the other
    way round.

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
            raise InputError(f"{source} must be a folder or a zip of images: {error}") from error
        self._members = _members(self._zip, source)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return the names that are missing, in their order."""
        return [name for name in names if self._find(name) is None]

    def read(self, name: str) -> bytes:
        """Return the file's bytes.

        Raises:
            InputError: it is missing, damaged in the zip, or its name leads out of the folder.
        """
        found = self._find(name)
        if found is None:
            raise InputError(f"{self.source} has no image {name!r}")
        if self._zip is None:
            return inside(self.source, found).read_bytes()
        member = self._members[found]
        if member.file_size > LARGEST_IMAGE:
            raise InputError(
                f"{self.source}: {name!r} must be at most {LARGEST_IMAGE:,} bytes, got {member.file_size:,}"
            )
        try:
            return self._zip.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise InputError(f"{self.source}: {name!r} cannot be unpacked: {error}") from error

    def example(self, name: str) -> str | None:
        """Return the name of an available image, if possible of one in another folder called `name`."""
        last = PurePosixPath(comparable(name)).name
        there = sorted(_images(map(comparable, self._known)))
        return next((each for each in there if PurePosixPath(each).name == last), next(iter(there), None))

    def _find(self, name: str) -> str | None:
        """Return the actual name of the file that is called so; None where there is none."""
        if self._zip is None and inside(self.source, name).is_file():
            return name
        check_relative(name)
        return self._known.find(name)

    @cached_property
    def _known(self) -> KnownNames:
        if self._zip is not None:
            return KnownNames(self._members)
        paths = (Path(folder, file) for folder, _, files in os.walk(self.source) for file in files)
        return KnownNames(path.relative_to(self.source).as_posix() for path in paths)


def _members(archive: zipfile.ZipFile, source: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the files by their names, with and without the folder around all images."""
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
        name = _name(member)
        if name in members:
            raise InputError(f"{source} holds {name!r} twice")
        members[name] = member
    images = _images(map(comparable, members))
    around = {name.partition("/")[0] if "/" in name else "" for name in images}
    if len(around) == 1 and around != {""}:
        prefix = f"{around.pop()}/"
        inner = {comparable(name): member for name, member in members.items()}
        members |= {
            name.removeprefix(prefix): member for name, member in inner.items() if name.startswith(prefix)
        }
    return members


def _name(member: zipfile.ZipInfo) -> str:
    """Return the member's name, which is UTF-8 where a Mac wrote it, though the zip does not say so."""
    if member.flag_bits & _IS_UTF8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _images(names: Iterable[str]) -> list[str]:
    """Return the names of images, without what macOS puts beside the files when it makes a zip."""
    kinds = suffixes()
    return [
        name
        for name in names
        if PurePosixPath(name).suffix.lower() in kinds and not name.startswith("__MACOSX/")
    ]
