from pathlib import Path

import jinja2
import pytest

import cris
from cris.pages import fill

PACKAGE = Path(cris.__file__).parent
PAGES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.html"))


@pytest.mark.parametrize("page", [page for page in PAGES if page != "page.html"])
def test_every_page_has_the_same_head(page: str) -> None:
    text = (PACKAGE / page).read_text(encoding="utf-8")
    assert text.startswith('{% extends "page.html" %}\n')
    assert "<head>" not in text
    assert "<!doctype" not in text


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="is undefined"):
        fill("training/summary.html")


def test_a_page_must_say_its_title() -> None:
    with pytest.raises(jinja2.TemplateError):
        fill("page.html")
