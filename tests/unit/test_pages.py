from pathlib import Path

import jinja2
import pytest

import cris
from cris.pages import fill

PACKAGE = Path(cris.__file__).parent
PAGES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.html"))
HOSTILE = "<script>alert(1)</script> & `code` | {{ 7 * 7 }}"
CURVES = {
    **dict.fromkeys(("width", "height", "left", "right", "bottom", "legend"), 1),
    **dict.fromkeys(("rows", "columns", "curves"), ()),
}


@pytest.mark.parametrize("page", [page for page in PAGES if page != "page.html"])
def test_every_page_has_the_same_head(page: str) -> None:
    text = (PACKAGE / page).read_text(encoding="utf-8")
    assert text.startswith('{% extends "page.html" %}\n')
    assert "<head>" not in text
    assert "<!doctype" not in text


def test_what_users_wrote_is_escaped_in_drawings() -> None:
    text = fill("training/curves.svg", title=HOSTILE, **CURVES)
    assert "<title>&lt;script&gt;alert(1)&lt;/script&gt; &amp; `code` | {{ 7 * 7 }}</title>" in text


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'title' is undefined"):
        fill("training/curves.svg", **CURVES)


def test_a_page_must_say_its_title() -> None:
    with pytest.raises(jinja2.TemplateError):
        fill("page.html")
