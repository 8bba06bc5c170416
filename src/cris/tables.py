"""Tables of results: drawn in a terminal, as plain text, and as HTML in a notebook."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_WIDTH = 120  # columns of plain text


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """Table of cells that are text already."""

    title: str
    columns: Sequence[str]
    """Headers; names are on the left of their column, numbers on the right."""
    rows: Sequence[Sequence[str]]
    names: int = 1
    """Number of first columns that hold names."""

    def __rich__(self) -> Table:
        """Return the table for a terminal."""
        table = Table(title=Text(self.title), title_justify="left")
        for place, header in enumerate(self.columns):
            table.add_column(Text(header), justify="left" if place < self.names else "right")
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def __str__(self) -> str:
        """Return the table as plain text."""
        return as_text(self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(header)}</th>" for header in self.columns)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        caption = f"<caption>{escape(self.title)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_text(*parts: RenderableType) -> str:
    """Return what a terminal would show, without colours and with lines as long as they are."""
    console = Console(file=io.StringIO(), width=_WIDTH, highlight=False, color_system=None)
    for part in parts:
        is_line = isinstance(part, str)
        console.print(Text(part) if isinstance(part, str) else part, soft_wrap=is_line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n")


def html(*parts: str | TextTable) -> str:
    """Return tables, lines and drawings (SVG or HTML, which begin with <) one below the other."""
    return "\n".join(
        part._repr_html_()
        if isinstance(part, TextTable)
        else part[part.index("<svg") :]
        if part.startswith("<?xml")
        else f"<p>{escape(part)}</p>"
        for part in parts
    )
