"""Paths read from files, which must never lead out of the named folder."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from cris.errors import InputError


def check_relative(name: str) -> None:
    """Check the form of a path from a file or of a zip's member.

    Raises:
        InputError: it is absolute, goes up by "..", or is not a valid path on some system.
    """
    windows = PureWindowsPath(name)
    if not name or "\0" in name:
        raise InputError(f"a path must have signs, of which none is zero, got {name!r}")
    if PurePosixPath(name).is_absolute() or windows.drive or windows.root:
        raise InputError(f"a path must be relative, got {name!r}, which leads out of its folder")
    if ".." in windows.parts:  # splits at / and at \
        raise InputError(f"a path must not go up by '..', got {name!r}, which leads out of its folder")


def inside(folder: Path, name: str) -> Path:
    """Return the path of that name in the folder; it need not exist.

    Raises:
        InputError: it is absolute, goes up by "..", or is a symbolic link out of the folder.
    """
    check_relative(name)
    path = folder / name
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # too long a name, or links that go round
        raise InputError(f"{folder} can have no file {name!r}: {error}") from error
    if not is_inside:
        raise InputError(f"{path} is a symbolic link out of {folder}: copy what it points to into the folder")
    return path
