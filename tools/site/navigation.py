"""Navigation of the site, read from the lists of docs/README.md: one index for GitHub and the site."""

import re
from collections.abc import Mapping
from typing import Any

HOME = "README.md"
REFERENCE = "Reference"
"""Section of the index that generated pages are added to."""
_LINE = re.compile(r"(##|###) (.+)|- \[([^\]]+)\]\(([^)#\s]+)\)")


def navigation(index: str, generated: Mapping[str, Mapping[str, str]]) -> list[Any]:
    """Return MkDocs' `nav`: headings of the index that have a list below them, and the links of that list.

    Args:
        index: Markdown; `##` headings become tabs, `###` headings groups, `- [title](page)` their pages.
        generated: title → page, of each group that is added to the section `Reference`.
    """
    sections: dict[str, list[Any]] = {}
    here: list[Any] = []
    for line in index.splitlines():
        if not (found := _LINE.match(line)):
            continue
        mark, heading, title, uri = found.groups()
        if mark == "##":
            section = here = sections.setdefault(heading, [])
        elif mark == "###":
            here = []
            section.append({heading: here})
        else:
            here.append({title: page_of(uri)})
    for title, pages in generated.items():
        sections[REFERENCE].append({title: [{name: uri} for name, uri in pages.items()]})
    return [{"Home": HOME}, *({heading: items} for heading, items in sections.items() if items)]


def page_of(uri: str) -> str:
    """Return the page that a file of docs/ becomes: a notebook's is Markdown."""
    return uri.removesuffix(".ipynb") + ".md" if uri.endswith(".ipynb") else uri
