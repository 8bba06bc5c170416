"""Reference of the command line, written from what its parsers say."""

import importlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import get_args
from unittest import mock

from cris.cli import COMMANDS, GROUPS, main
from tools.site.links import REPOSITORY

Words = tuple[str, ...]
FOLDER = "reference/commands"
INDEX = f"{FOLDER}/index.md"
RECIPE = "finetune"
"""Recipe whose values the page of `cris train` shows."""
ABOUT = ""
"""Key of what is said of a group as a whole."""
_IN_ONE_COLUMN = {"COLUMNS": "100", "NO_COLOR": "1"}
"""Wider, the help of long commands stands in two columns."""
_ENTRY = re.compile(r"(\S.*?)(?: {2,}(\S.*))?$")
_NO_DEFAULTS = ("default: False", "default: None", "default: ", "default:", "default: ''")
_TITLES = {"positional arguments": "Arguments"}
_NOTE = re.compile(r"\s*\((required|one or more|default:.*|repeatable.*)\)$")


@dataclass(frozen=True)
class Help:
    """Help of a command, taken apart."""

    usage: str
    about: str
    groups: Mapping[str, Mapping[str, str]]
    """Title of a group → its options or arguments, as they are typed, or ABOUT → what the help says."""


def every_command(
    listed: Mapping[str, str] = COMMANDS, package: str = "cris.cli", words: Words = ()
) -> Iterator[Words]:
    """Yield the words of every command of the parser, in its order."""
    for name in listed:
        module = importlib.import_module(f"{package}.{name}")
        if hasattr(module, "COMMANDS"):
            yield from every_command(module.COMMANDS, module.__name__, (*words, name))
        else:
            yield (*words, name)


def parts_of(words: Words) -> list[str]:
    """Return the first arguments of a command that is several, such as `cris convert`."""
    command = importlib.import_module(".".join(("cris.cli", *words))).Command
    return [get_args(part)[1].name for part in get_args(command)]


COMMAND_PAGES = {words: f"{FOLDER}/{'-'.join(words)}.md" for words in every_command()}
"""Command → its page."""


def pages() -> dict[str, str]:
    """Return the titles of the pages, and their places."""
    titles = {f"cris {' '.join(words)}": uri for words, uri in COMMAND_PAGES.items()}
    return {"All commands": INDEX, **titles}


def help_of(words: Words) -> Help:
    """Return what `cris … --help` says.

    Raises:
        ValueError: it cannot be taken apart.
    """
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # boxes are drawn where they can be
    with redirect_stdout(printed), mock.patch.dict(os.environ, _IN_ONE_COLUMN):
        main([*words, "--help"])
    printed.seek(0)
    text = printed.read()
    head, *boxes = re.split(r"^╭─ (.*?) ─*╮$", text, flags=re.MULTILINE)
    usage, _, about = head.strip().partition("\n")
    groups = {title: dict(_entries(box)) for title, box in zip(boxes[::2], boxes[1::2], strict=True)}
    if not groups:
        raise ValueError(f"cris {' '.join(words)} --help has no box of options: {text!r}")
    return Help(usage.removeprefix("usage: "), about.strip(), groups)


def page(words: Words) -> str:
    """Return the page of a command."""
    name = " ".join(words)
    parts = parts_of(words)
    title = f"# cris {name}\n\nMore, and examples: [the command line](../../cli.md#{_anchor(words)})."
    if parts:
        return "\n\n".join([title, *(_told((*words, part), f"## cris {name} {part}") for part in parts)])
    if words == ("train",):
        note = (
            f"The values that stand here are those of the recipe `{RECIPE}`; "
            "`cris train RECIPE --help` has each recipe's own."
        )
        return "\n\n".join([title, note, _told((*words, RECIPE))])
    return "\n\n".join([title, _told(words)])


def index_page() -> str:
    """Return the page that lists all commands by purpose."""
    parts = [
        "# All commands",
        "Written from the parser when this site was built: `cris COMMAND --help` says the same. "
        "What commands share is told in [the command line](../../cli.md).",
    ]
    for group, listed in GROUPS.items():
        rows = [
            f"| [cris {' '.join(words)}]({_file_of(words)}) | {_purpose(words)} |"
            for words in COMMAND_PAGES
            if words[0] in listed
        ]
        parts.append("\n".join([f"## {group.capitalize()}", "", "| command | |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def _file_of(words: Words) -> str:
    """Return the name of a command's page, within their folder."""
    return COMMAND_PAGES[words].rpartition("/")[2]


def _purpose(words: Words) -> str:
    *package, name = words
    listed = importlib.import_module(".".join(("cris.cli", *package))).COMMANDS
    return str(listed[name])


def _told(words: Words, heading: str = "") -> str:
    told = help_of(words)
    parts = [heading, _linked(told.about), f"```text\n{told.usage}\n```"]
    level = "###" if heading else "##"
    for title, entries in told.groups.items():
        shown = {entry: text for entry, text in entries.items() if not entry.startswith("-h")}
        if shown:
            parts += [f"{level} {_TITLES.get(title, title.capitalize())}", _linked(shown.pop(ABOUT, ""))]
            parts += [f"`{entry}`\n:   {_described(entry, text)}" for entry, text in shown.items()]
    return "\n\n".join(part for part in parts if part)


def _entries(box: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of a box, with their text in one line; a column of it begins after two spaces."""
    entry, text = "", ""
    for line in box.splitlines():
        inner = line.removeprefix("│ ").removesuffix("│").rstrip()
        if not inner or inner.startswith("╰"):
            continue
        if set(inner) == {"─"}:  # above it, what the group is
            yield ABOUT, f"{entry} {text}".strip()
            entry, text = "", ""
            continue
        if inner.startswith(" "):
            text = f"{text} {inner.strip()}".strip()
            continue
        if entry:
            yield entry, text
        if not (found := _ENTRY.match(inner)):
            raise ValueError(f"no option or argument in {inner!r}")
        entry, text = found[1], found[2] or ""
    if entry:
        yield entry, text


def _described(entry: str, text: str) -> str:
    """Return an option's text with its default, or that it is required, after it."""
    found = _NOTE.search(text)
    if not found:
        return _linked(text)
    note = found[1]
    if note in _NO_DEFAULTS:
        return _linked(text[: found.start()])
    if note == "default: True" and entry.startswith("--no-"):
        note = "on, unless this is given"
    elif note.startswith("default: "):
        note = f"default: `{note.removeprefix('default: ')}`"
    return f"{_linked(text[: found.start()])} *({note})*"


def _linked(text: str) -> str:
    """Return text as Markdown, with the documents it names as links."""
    escaped = re.sub(r"([*_<\[|])", r"\\\1", text)
    return re.sub(r"\bdocs/([\w-]+)\.md", r"[\1](../../\1.md)", escaped)


def _anchor(words: Words) -> str:
    """Return the anchor of a command's section in docs/cli.md."""
    text = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    name = f"cris {' '.join(words)}"
    found = re.search(rf"^## ({re.escape(name)}(?:[^a-z\n ].*| [^a-z\n].*)?)$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"docs/cli.md has no section on {name}")
    return re.sub(r"[^\w\- ]", "", found[1].lower()).replace(" ", "-")
