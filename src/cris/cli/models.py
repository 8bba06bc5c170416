"""`cris models`: names that can be given instead of a folder."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table

from cris.card import SUMMARY, read_front_matter
from cris.cli.console import show
from cris.jobs import to_json
from cris.registry import ENTRIES, Entry, stored_at


@dataclass(frozen=True, kw_only=True)
class Command:
    """List the models to predict with, and CLIP's weights to train from; download nothing."""

    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print a JSON list instead of a table."""

    def run(self) -> int:
        """Print the list."""
        models = [_described(entry) for entry in ENTRIES]
        if self.as_json:
            sys.stdout.write(to_json(models))
            return 0
        table = Table("name", "kind", "size", "licence", "here", "what")
        table.columns[2].justify = "right"
        for model in models:
            size = "–" if model["size"] is None else f"{model['size'] / 1e6:,.1f} MB"
            here = "yes" if model["is_here"] else "fetched when used"
            table.add_row(model["name"], model["kind"], size, model["licence"], here, model["description"])
        show(table)
        return 0


def _described(entry: Entry) -> dict[str, Any]:
    place = stored_at(entry)
    size = entry.remote.size if entry.remote else _size(place)
    return {
        "name": entry.name,
        "kind": entry.kind,
        "size": size,
        "licence": entry.licence,
        "is_here": place.exists(),
        "description": read_front_matter(place).get(SUMMARY, entry.description),
    }


def _size(folder: Path) -> int | None:
    """Return the size of all its files, in bytes; None when it is not there."""
    return sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else None
