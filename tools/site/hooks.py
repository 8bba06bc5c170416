"""Hooks of MkDocs: navigation from docs/README.md, generated pages, links out of docs/, formulas."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.site import api, commands, formulas, links, navigation, notebooks

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
_LESS = 0.5


def on_config(config: Any) -> Any:
    """Make the navigation of the index; refuse public names without a docstring."""
    if missing := api.undocumented():
        raise PluginError(f"these public names have no docstring: {', '.join(missing)}")
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    config.nav = navigation.navigation(index, {"Python API": api.PAGES, "Commands": commands.pages()})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add what is generated: reference, executed notebooks, and files outside docs/ that pages link to."""
    generated: dict[str, str | bytes] = {}
    for title, uri in api.PAGES.items():
        generated[uri] = api.page(title)
    for words, uri in commands.COMMAND_PAGES.items():
        generated[uri] = commands.page(words)
    generated[commands.INDEX] = commands.index_page()
    for path in sorted(DOCS.rglob("*.ipynb")):
        generated |= _notebook(path)
    generated |= links.pages_outside(DOCS)
    for uri, content in generated.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Rewrite links for the site, and formulas for browsers; set what GitHub would show as text."""
    uri = page.file.src_uri
    if uri == navigation.HOME:
        page.meta["hide"] = ["navigation"]
    elif uri.startswith(("reference/", "repository/")):
        page.meta.setdefault("search", {"boost": _LESS})  # who searches wants to be told first
    return formulas.blocks(links.rewritten(markdown, uri))


def on_page_content(html: str, page: Page, config: Any, files: Files) -> str:
    """Set formulas within lines, and link the documents that docstrings name."""
    uri = page.file.src_uri
    return formulas.inline(links.with_documents(html, uri) if uri.startswith(f"{api.FOLDER}/") else html)


def _notebook(path: Path) -> Mapping[str, str | bytes]:
    return _executed(path.relative_to(DOCS).as_posix(), path.read_text(encoding="utf-8"))


@cache  # while pages are being written, `mkdocs serve` builds again and again
def _executed(uri: str, content: str) -> Mapping[str, str | bytes]:
    return notebooks.pages(uri, content)
