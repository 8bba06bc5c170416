"""Reports of commands that make data sets: to the manifest, and to people."""

import shlex
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from cris.cli.console import show
from cris.data.store.manifest import Manifest
from cris.jobs import to_json


def command() -> str:
    """Return the command line of this process, as a shell takes it."""
    return shlex.join(["cris", *sys.argv[1:]])


def show_dataset(out: Path, manifest: Manifest, *, as_json: bool = False) -> None:
    """Print what the data set holds, or its whole manifest as JSON; warn of what was left out."""
    if as_json:
        sys.stdout.write(to_json(asdict(manifest)))
    else:
        for remark in manifest.source.remarks:
            show(remark)
        size = sum(shard.bytes for shard in manifest.files)
        title = f"{out}: {manifest.pictures:,} images, {manifest.objects:,} objects, {size / 1e6:,.1f} MB"
        show(split_table(title, manifest))
    if manifest.left_out:
        told = (
            f"{each.count:,} {kind if each.count > 1 else kind.removesuffix('s')} ({each.first})"
            for kind, each in manifest.left_out.items()
        )
        warnings.warn(f"left out: {', '.join(told)}", stacklevel=1)


def split_table(title: str, manifest: Manifest) -> Table:
    """Return a table of how much there is in each split."""
    table = Table(title=Text(title), title_justify="left")
    table.add_column("split")
    for header in ("images", "referred objects", "entries", "sentences"):
        table.add_column(header, justify="right")
    for split, counts in manifest.splits.items():
        numbers = (counts.pictures, counts.objects, counts.entries, counts.sentences)
        table.add_row(Text(split), *(f"{number:,}" for number in numbers))
    return table
