"""Common steps of `cris data refer` and `cris data hub`: select, write, report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cris.jobs import sha256_if_readable

if TYPE_CHECKING:
    from cris.data.annotations.selection import Selection
    from cris.data.sources.conversion import Conversion
    from cris.data.store.manifest import LeftOut, Manifest

Wrong = Literal["mark", "drop"]


def selection_of(drop: Path | None, reviewed: Sequence[Path], wrong: Wrong) -> "Selection":
    """Return the selection that the options --drop, --reviewed and --wrong make."""
    from cris.data.annotations.selection import Selection, read_drop_list, read_review

    return Selection(
        dropped=frozenset() if drop is None else read_drop_list(drop),
        review=read_review(reviewed) if reviewed else None,
        is_marking=wrong == "mark",
    )


def write_conversion(
    conversion: "Conversion",
    out: Path,
    *,
    kind: str,
    files: Sequence[Path],
    options: Mapping[str, object],
    is_resuming: bool,
    overwrite: bool,
    as_json: bool,
) -> "Manifest":
    """Write the data set and report its contents; `files` and `options` are what decides its rows."""
    from cris.cli.data.console import command, show_dataset
    from cris.data.store.manifest import SourceInfo
    from cris.data.store.writing import write_dataset
    from cris.progress import track

    skipping = {"skip_invalid": True} if conversion.invalid.is_skipping else {}
    source = SourceInfo(
        kind=kind,
        options={**options, **skipping, "order": conversion.order},
        files={str(path): sha256_if_readable(path) or "" for path in files},
        remarks=(*map(str, conversion.sizes), *conversion.remarks),
    )
    manifest = write_dataset(
        out,
        lambda start: track(conversion.images(start), total=conversion.count - start, what="images"),
        source,
        command=command(),
        is_resuming=is_resuming,
        overwrite=overwrite,
        left_out=lambda: _counted(conversion),
    )
    show_dataset(out, manifest, as_json=as_json)
    return manifest


def _counted(conversion: "Conversion") -> "dict[str, LeftOut]":
    """Return what a conversion left out."""
    from cris.data.store.manifest import LeftOut

    return {
        kind: LeftOut(count=len(errors), first=errors[0])
        for kind, errors in conversion.invalid.left_out.items()
    }


def files_in(folders: Sequence[Path]) -> list[Path]:
    """Return the files that are named, and those right in folders that are."""
    return [
        file
        for path in folders
        for file in (sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path])
    ]
