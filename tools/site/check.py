"""Checker of the built site: links, anchors, nothing from elsewhere, and a search that finds.

python -m tools.site.check FOLDER
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SEARCHES = {
    "finetune": "tutorials/own-photographs.html",
    "threshold": "metrics.html",
    "resume": "training.html",
    "intersection": "evaluation.html",
    "from_pretrained": "reference/python/predict.html",
    "--choose-threshold": "reference/commands/eval.html",
}
"""Word → a page that a search for it must find."""
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "manifest", "preconnect", "dns-prefetch"}
_STYLE_ADDRESS = re.compile(r"url\(\s*['\"]?(https?:|//)[^)]*\)|@import\s+['\"](https?:|//)")


@dataclass
class Page(HTMLParser):
    """Links and anchors of a page, and what it loads."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Set up the parser."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's address, and its anchor."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and _RELATIONS & set(given.get("rel", "").split()):
            self.loaded.append(given["href"])
        elif tag in _LOADED and _LOADED[tag] in given:
            self.loaded.append(given[_LOADED[tag]])


def problems(site: Path) -> list[str]:
    """Return all that is wrong with a site, a line for each; empty when nothing is."""
    return [*_broken_links(site), *_styles_from_elsewhere(site), *_searches_in_vain(site)]


def _broken_links(site: Path) -> Iterator[str]:
    for file in sorted(site.rglob("*.html")):
        if file.name == "404.html":  # served at any depth, so its addresses begin at the root
            continue
        page = _page(file)
        name = file.relative_to(site)
        yield from (f"{name} loads {each}" for each in page.loaded if urlsplit(each).netloc)
        for address in dict.fromkeys([*page.links, *page.loaded]):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name} leads to {address}, which is not there"
            elif parts.fragment and target.suffix == ".html" and not _has(target, parts.fragment):
                yield f"{name} leads to {address}, and there is no such anchor"


def _has(file: Path, fragment: str) -> bool:
    return unquote(fragment) in _page(file).anchors or fragment.startswith("__")  # Material's own switches


@cache
def _page(file: Path) -> Page:
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def _styles_from_elsewhere(site: Path) -> Iterator[str]:
    for file in sorted(site.rglob("*.css")):
        for found in _STYLE_ADDRESS.finditer(file.read_text(encoding="utf-8")):
            yield f"{file.relative_to(site)} loads {found[0]}"


def _searches_in_vain(site: Path) -> Iterator[str]:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    for word, page in SEARCHES.items():
        said = (
            f"{each['title']} {each['text']}".lower()
            for each in index["docs"]
            if each["location"].split("#")[0] == page
        )
        if not any(word in text for text in said):
            yield f"a search for {word} does not find {page}"


if __name__ == "__main__":
    found = problems(Path(sys.argv[1]))
    print(
        "\n".join(found) or f"{sys.argv[1]}: every link and anchor leads somewhere, nothing is from elsewhere"
    )
    sys.exit(bool(found))
