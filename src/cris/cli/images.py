"""Images that a command line names: one file, those in a folder, or those that fit a pattern."""

import glob
import warnings
from pathlib import Path

from cris.errors import InputError
from cris.image import suffixes, warn_of_unread


def find_images(named: str) -> list[Path]:
    """Return the files, sorted by name.

    Of a folder those with an image's suffix, without hidden files, subfolders and links that lead out of it.
    Raises InputError when there is none.
    """
    if "://" in named:
        raise InputError(f"expected a file, a folder or a pattern, got an address, {named}: download it")
    path = Path(named)
    if path.is_dir():
        found = _in_folder(path)
        if not found:
            raise InputError(
                f"expected images, the folder {named} has none ({', '.join(sorted(suffixes()))})"
            )
        return found
    if path.exists() or not glob.has_magic(named):
        return [path]
    # not Path.glob, which takes no absolute pattern
    matches = map(Path, glob.glob(named, recursive=True))  # noqa: PTH207
    found = sorted(match for match in matches if match.is_file())
    if not found:
        raise InputError(f"expected images, no file fits the pattern {named}")
    return found


def is_image_file(named: str) -> bool:
    """Return whether there is a file of this name with an image's suffix."""
    return Path(named).suffix.lower() in suffixes() and Path(named).is_file()


def _in_folder(folder: Path) -> list[Path]:
    found = []
    files = sorted(folder.iterdir())
    warn_of_unread(file.name for file in files if not file.name.startswith("."))
    for file in files:
        if file.name.startswith(".") or not is_image_file(str(file)):
            continue
        if file.resolve().is_relative_to(folder.resolve()):
            found.append(file)
        else:
            warnings.warn(f"{file} is a link that leads out of its folder: left out", stacklevel=2)
    return found
