"""Facts about the site that need no build: what is in it, and how its pages are made."""

import json
import re
from pathlib import Path

import pytest

import cris
from cris import studies
from tests.docs.blocks import REPOSITORY, fenced_blocks
from tools.site import api, check, commands, formulas, links, navigation

DOCS = REPOSITORY / "docs"
NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))
INDEX = (DOCS / "README.md").read_text(encoding="utf-8")


def uris(nav: object) -> list[str]:
    """Return all pages of a navigation, in order."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [uri for each in inner for uri in uris(each)]


def test_every_document_is_in_the_navigation_once() -> None:
    nav = uris(navigation.navigation(INDEX, {}))
    stored = [*DOCS.rglob("*.md"), *NOTEBOOKS]
    assert sorted(nav) == sorted(navigation.page_of(path.relative_to(DOCS).as_posix()) for path in stored)


def test_navigation_has_a_tab_for_each_section_and_generated_pages_in_the_reference() -> None:
    nav = navigation.navigation(INDEX, {"Commands": {"cris segment": "segment.md"}})
    tabs = [title for each in nav for title in each]
    assert tabs == ["Home", "Tutorials", "How-to", "Reference", "Explanation", "Measured"]
    assert nav[3]["Reference"][-1] == {"Commands": [{"cris segment": "segment.md"}]}


def test_every_public_name_is_in_the_reference() -> None:
    public = {f"cris.{name}" for name in cris.__all__ if name != "__version__"}
    assert public | {f"cris.studies.{name}" for name in studies.__all__} <= api.documented()


def test_every_public_name_has_a_docstring() -> None:
    assert api.undocumented() == []


def test_what_documents_and_examples_import_is_in_the_reference() -> None:
    code = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "examples").glob("*.py")]
    for path in [REPOSITORY / "README.md", *DOCS.rglob("*.md")]:
        blocks = fenced_blocks(path.read_text(encoding="utf-8"))
        code += [block.text for block in blocks if block.language == "python"]
    pairs = re.findall(r"^from (cris[\w.]*) import ([\w, ]+)$", "\n".join(code), flags=re.MULTILINE)
    assert len(pairs) > 10
    named = {(module, name.strip()) for module, names in pairs for name in names.split(",")}
    known = {name.rpartition(".")[2] for name in api.documented()} | {"studies"}
    assert sorted(name for _, name in named if name not in known) == []


def test_every_command_has_a_page_with_its_options() -> None:
    for words in commands.every_command():
        page = commands.page(words)
        assert page.startswith(f"# cris {' '.join(words)}\n")
        assert "\n`--" in page, words
    assert all(
        f"({uri.rpartition('/')[2]})" in commands.index_page() for uri in commands.COMMAND_PAGES.values()
    )


def test_page_of_a_command_tells_metavars_defaults_and_what_is_required() -> None:
    page = commands.page(("data", "coco"))
    assert "`--out DIR`\n:   Folder to make. *(required)*" in page
    assert "*(default: `0.8 0.1 0.1`)*" in page
    assert "[own-images](../../own-images.md)" in page
    assert "False" not in page


def test_links_out_of_docs_lead_to_pages_of_the_site() -> None:
    text = (
        "[a](../examples/extend.py) [b](README.md#x) `[c](../d)` ![e](images/demo.jpg) "
        "[f](notebooks/predict.ipynb)"
    )
    expected = (
        "[a](repository/examples/extend.py.md) [b](README.md#x) `[c](../d)` ![e](images/demo.jpg) "
        "[f](notebooks/predict.md)"
    )
    assert links.rewritten(text, "python.md") == expected
    assert links.rewritten("[a](docs/cli.md)", "repository/CONTRIBUTING.md") == "[a](../cli.md)"
    assert links.rewritten("[a](../README.md#b)", "python.md") == "[a](repository/README.md#b)"


def test_documents_that_docstrings_name_become_links() -> None:
    html = '<p title="docs/a.md">see docs/json.md</p>'
    expected = '<p title="docs/a.md">see <a href="../../json.html">docs/json.md</a></p>'
    assert links.with_documents(html, "reference/python/train.md") == expected


def test_files_outside_docs_become_pages_with_what_they_link_to() -> None:
    pages = links.pages_outside(DOCS)
    assert "```python\n" in pages["repository/examples/extend.py.md"]
    assert "[examples/extend.py](examples/extend.py)" in pages["repository/examples.md"]
    assert not [uri for uri in pages if uri.startswith("repository/docs/")]


def test_formulas_become_mathml() -> None:
    assert "<mfrac>" in formulas.blocks("a\n\n```math\n\\frac{1}{2}\n```\n")
    assert formulas.inline("in <p>$<code>F_t</code>$ and <code>$x</code></p>").count("<math") == 1
    assert formulas.blocks("```python\nx\n```") == "```python\nx\n```"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


def test_checker_finds_broken_links_anchors_and_what_is_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    index = {"docs": [{"location": page, "title": "", "text": word} for word, page in check.SEARCHES.items()]}
    (tmp_path / "search" / "search_index.json").write_text(json.dumps(index))
    (tmp_path / "good.html").write_text(
        '<h1 id="here">x</h1><a href="#here"></a><a href="https://a.org">x</a>'
    )
    assert check.problems(tmp_path) == []
    (tmp_path / "bad.html").write_text(
        '<a href="no.html"></a><a href="good.html#there"></a><script src="https://cdn.org/x.js"></script>'
    )
    (tmp_path / "bad.css").write_text("@font-face { src: url('https://fonts.org/x.woff') }")
    (tmp_path / "search" / "search_index.json").write_text(json.dumps({"docs": index["docs"][1:]}))
    told = check.problems(tmp_path)
    assert len(told) == 5
    for part in ("no.html", "#there", "cdn.org", "fonts.org", "a search for finetune"):
        assert sum(part in each for each in told) == 1
