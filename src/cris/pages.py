"""Templates of the package's pages, and of the Markdown and SVG that go with them."""

from functools import cache

import jinja2

from cris import __version__


def fill(template: str, **values: object) -> str:
    """Fill in a template and return the text; it also knows the `version` of cris.

    Whatever users wrote is escaped in HTML and SVG. Markdown has it in code spans. Pages extend page.html,
    which holds their head and their colours.

    Args:
        template: its path in the package, `studies/audit.html` say.
        values: by the names that the template has for them; one that is missing is an error.
    """
    return _environment().get_template(template).render(version=__version__, **values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cris", ""),
        autoescape=jinja2.select_autoescape(("html", "svg"), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = lambda text: text.replace("|", "\\|").replace("\n", " ")
    return environment
