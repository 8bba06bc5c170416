"""Links that work in the repository, made to work in the site: files outside docs/ become pages of it."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from tools.site.navigation import page_of

REPOSITORY = Path(__file__).resolve().parents[2]
OUTSIDE = "repository"
"""Folder of the site with the files that are not in docs/."""
_LINK = re.compile(r"(```.*?```|`[^`\n]*`)|(\]\()([^)\s#]+)((?:#[^)\s]*)?\))", re.DOTALL)
_NOT_SEARCHED = "---\nsearch:\n  exclude: true\n---\n"
_DOCUMENT = re.compile(r"\bdocs/([\w-]+)\.md\b(?![^<]*>)")
_LANGUAGES = {".py": "python", ".sh": "bash", ".toml": "toml", ".yml": "yaml", ".json": "json"}


def rewritten(markdown: str, uri: str) -> str:
    """Return the text of the page with each link leading to a page of the site."""

    def replaced(found: re.Match[str]) -> str:
        code, opening, target, end = found.groups()
        if code or _is_address(target):
            return found[0]
        there = uri_of(posixpath.normpath(posixpath.join(posixpath.dirname(path_of(uri)), target)))
        return opening + posixpath.relpath(there, posixpath.dirname(uri) or ".") + end

    return _LINK.sub(replaced, markdown)


def with_documents(html: str, uri: str) -> str:
    """Return the HTML of a page with the documents that docstrings name, such as docs/json.md, as links."""
    up = posixpath.relpath(".", posixpath.dirname(uri) or ".")
    return _DOCUMENT.sub(rf'<a href="{up}/\1.html">docs/\1.md</a>', html)


def path_of(uri: str) -> str:
    """Return the path in the repository of what a page of the site is made of."""
    if not uri.startswith(f"{OUTSIDE}/"):
        return f"docs/{uri}"
    path = uri.removeprefix(f"{OUTSIDE}/")
    return path if (REPOSITORY / path).exists() else path.removesuffix(".md")


def uri_of(path: str) -> str:
    """Return the page of the site that a file of the repository becomes."""
    if path.startswith("docs/"):
        return page_of(path.removeprefix("docs/"))
    return f"{OUTSIDE}/{path}" if path.endswith(".md") else f"{OUTSIDE}/{path}.md"


def pages_outside(docs: Path) -> dict[str, str]:
    """Return the pages of the files outside docs/ that the documents link to, and that these link to."""
    pages: dict[str, str] = {}
    waiting = [target for path in sorted(docs.rglob("*.md")) for target in _targets(path)]
    while waiting:
        path = waiting.pop()
        uri = uri_of(path)
        if path.startswith("docs/") or uri in pages:
            continue
        file = REPOSITORY / path
        if file.is_dir():
            inside = [
                each.relative_to(REPOSITORY).as_posix() for each in sorted(file.iterdir()) if each.is_file()
            ]
            pages[uri] = "\n".join(
                [f"{_NOT_SEARCHED}# {path}\n", *(f"- [{each}]({each})" for each in inside)]
            )
            waiting += inside
        elif file.suffix == ".md":
            pages[uri] = file.read_text(encoding="utf-8")
            waiting += _targets(file)
        else:
            text, language = file.read_text(encoding="utf-8"), _LANGUAGES.get(file.suffix, "text")
            pages[uri] = f"{_NOT_SEARCHED}# {path}\n\n````{language}\n{text}````\n"
    return pages


def _targets(file: Path) -> Iterator[str]:
    """Yield the files that a document links to, as paths in the repository."""
    folder = file.parent.relative_to(REPOSITORY).as_posix()
    for code, _, target, _ in _LINK.findall(file.read_text(encoding="utf-8")):
        if not code and not _is_address(target):
            yield posixpath.normpath(posixpath.join(folder, target))


def _is_address(target: str) -> bool:
    return "://" in target or target.startswith("mailto:")
